// The package contains the same script that the service serves, including its comments, and the licence of both.
import { copyFileSync } from "node:fs";

const root = new URL("../../", import.meta.url);
for (const path of ["src/sharetally/web/static/widget/share-buttons.js", "LICENSE"]) {
  copyFileSync(new URL(path, root), new URL(path.split("/").pop(), import.meta.url));
}
