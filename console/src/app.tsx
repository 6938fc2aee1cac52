/** The console: the sign-in page, or for a signed-in user the view that the URL names. */

import { LocationProvider, Router, Route } from "preact-iso/router";
import { PlatformsProvider } from "./api/platforms";
import { SessionProvider, useSession } from "./api/session";
import { Empty } from "./components/states";
import { Page } from "./components/page";
import { base, view } from "./urls";
import { Shell, useNavItems } from "./shell";
import { Accounts } from "./views/accounts";
import { Audit } from "./views/audit";
import { Contents } from "./views/content";
import { Content } from "./views/content/detail";
import { Dead } from "./views/dead";
import { Keys } from "./views/keys";
import { Links } from "./views/links";
import { Overview } from "./views/overview";
import { Posts } from "./views/posts";
import { SignIn, SessionUnknown } from "./views/sign-in";

export function App() {
  return (
    <LocationProvider scope={base.replace(/\/$/, "")}>
      <SessionProvider>
        <SignInGate />
      </SessionProvider>
    </LocationProvider>
  );
}

function SignInGate() {
  const { session } = useSession();
  if (session === undefined) return <SessionUnknown />;
  if (session === null) return <SignIn />;
  return (
    <PlatformsProvider>
      <Shell>
        <Router>
          <Route path={base} component={Home} />
          <Route path={`${base}sign-in`} component={Home} />
          <Route path={`${base}content`} component={Contents} />
          <Route path={`${base}content/:contentType/:contentId`} component={Content} />
          <Route path={`${base}links/:id?`} component={Links} />
          <Route path={`${base}posts`} component={Posts} />
          <Route path={`${base}accounts`} component={Accounts} />
          <Route path={`${base}audit/:recordId?`} component={Audit} />
          <Route path={`${base}dead/:id?`} component={Dead} />
          <Route path={`${base}keys`} component={Keys} />
          <Route default component={NotFound} />
        </Router>
      </Shell>
    </PlatformsProvider>
  );
}

/** The overview, or a link to the first view that the user may see. */
function Home() {
  const [first] = useNavItems();
  if (first?.to === "") return <Overview />;
  return (
    <Page title="Welcome">
      <Empty icon="person" title="You are signed in">
        {first ? (
          <a href={view(first.to)}>Go to {first.name}</a>
        ) : (
          "Your scopes do not allow any of the views. Ask the operator of this service."
        )}
      </Empty>
    </Page>
  );
}

function NotFound() {
  return (
    <Page title="Not found">
      <Empty icon="search" title="There is no such page">
        <a href={view("")}>Go to the overview</a>
      </Empty>
    </Page>
  );
}
