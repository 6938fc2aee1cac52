/** The console: who is signed in decides between the door and the views; the address decides which view. */

import { LocationProvider, Router, Route } from "preact-iso/router";
import { SessionProvider, useMay, useSigned } from "./api/session";
import { Empty } from "./parts/states";
import { Page } from "./parts/page";
import { base, view } from "./places";
import { Shell, WAYS } from "./shell";
import { Audit } from "./views/audit";
import { Contents } from "./views/content";
import { Content } from "./views/content/one";
import { Dead } from "./views/dead";
import { Keys } from "./views/keys";
import { Links } from "./views/links";
import { Overview } from "./views/overview";
import { SignIn, Unknown } from "./views/sign-in";

export function App() {
  return (
    <LocationProvider scope={base.replace(/\/$/, "")}>
      <SessionProvider>
        <Door />
      </SessionProvider>
    </LocationProvider>
  );
}

function Door() {
  const { session } = useSigned();
  if (session === undefined) return <Unknown />;
  if (session === null) return <SignIn />;
  return (
    <Shell>
      <Router>
        <Route path={base} component={Home} />
        <Route path={`${base}sign-in`} component={Home} />
        <Route path={`${base}content`} component={Contents} />
        <Route path={`${base}content/:contentType/:contentId`} component={Content} />
        <Route path={`${base}links/:id?`} component={Links} />
        <Route path={`${base}audit/:recordId?`} component={Audit} />
        <Route path={`${base}dead/:id?`} component={Dead} />
        <Route path={`${base}keys`} component={Keys} />
        <Route default component={Nowhere} />
      </Router>
    </Shell>
  );
}

/** The overview, or the first view that one may see. */
function Home() {
  const may = useMay();
  const first = WAYS.find(({ scopes }) => may(...scopes));
  if (first?.to === "") return <Overview />;
  return (
    <Page title="Welcome">
      <Empty icon="person" title="You are signed in">
        {first ? (
          <a href={view(first.to)}>Go to {first.name}</a>
        ) : (
          "Your scopes open none of the views. Ask whoever runs this service."
        )}
      </Empty>
    </Page>
  );
}

function Nowhere() {
  return (
    <Page title="Not found">
      <Empty icon="search" title="There is no such page">
        <a href={view("")}>Go to the overview</a>
      </Empty>
    </Page>
  );
}
