// The package holds the very script that the service serves, with its comments.
import { copyFileSync } from "node:fs";

const source = new URL("../../src/sharetally/web/static/widget/share-buttons.js", import.meta.url);
copyFileSync(source, new URL("share-buttons.js", import.meta.url));
