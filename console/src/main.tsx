/** The console starts here. */

import { render } from "preact";
import { App } from "./app";
import "./style/tokens.css";
import "./style/base.css";
import "./style/shell.css";
import "./style/page.css";
import "./style/button.css";
import "./style/form.css";
import "./style/table.css";
import "./style/chart.css";
import "./style/overview.css";
import "./style/content.css";
import "./style/audit.css";
import "./style/links.css";
import "./style/admin.css";
import "./style/posting.css";

render(<App />, document.getElementById("app")!);
