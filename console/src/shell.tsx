/** The frame around every view: the navigation and the signed-in user. */

import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso/router";
import { usePlatforms } from "./api/platforms";
import { useHasScope, useSession, type Scope } from "./api/session";
import { base, view } from "./urls";
import { Icon, Mark, type IconName } from "./components/icon";

interface NavItem {
  readonly to: string;
  readonly name: string;
  readonly icon: IconName;
  readonly scopes: readonly Scope[];
  /** Shown only where this service can post. */
  readonly posting?: true;
}

/** Every view with its scopes, of which one is required. */
const NAV_ITEMS: readonly NavItem[] = [
  { to: "", name: "Overview", icon: "overview", scopes: ["analytics", "admin"] },
  { to: "content", name: "Content", icon: "content", scopes: ["analytics", "audit", "admin"] },
  { to: "links", name: "Links", icon: "links", scopes: ["shares", "admin"] },
  { to: "posts", name: "Posts", icon: "posts", scopes: ["shares", "admin"], posting: true },
  { to: "accounts", name: "Accounts", icon: "accounts", scopes: ["shares"], posting: true },
  { to: "audit", name: "Audit", icon: "audit", scopes: ["audit"] },
  { to: "dead", name: "Dead letters", icon: "dead", scopes: ["admin"] },
  { to: "keys", name: "Keys", icon: "keys", scopes: ["admin"] },
];

/** The views that the signed-in user may use here. */
export function useNavItems(): readonly NavItem[] {
  const hasScope = useHasScope();
  const { canPost } = usePlatforms();
  return NAV_ITEMS.filter(({ scopes, posting }) => hasScope(...scopes) && (canPost || !posting));
}

export function Shell({ children }: { children: ComponentChildren }) {
  const items = useNavItems();
  const { path } = useLocation();
  const here = path.slice(base.length).split("/")[0] ?? "";
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="rail">
        <div class="rail-inside">
          <a class="brand" href={view("")}>
            <Mark />
            Sharetally
          </a>
          <nav aria-label="Console">
            <ul>
              {items.map(({ to, name, icon }) => (
                <li key={to}>
                  <a href={view(to)} aria-current={here === to ? "page" : undefined}>
                    <Icon name={icon} />
                    <span>{name}</span>
                  </a>
                </li>
              ))}
            </ul>
          </nav>
          <SignedInUser />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function SignedInUser() {
  const { session, signOut } = useSession();
  if (!session) return null;
  return (
    <div class="who">
      <span class="who-name" title={`Scopes: ${session.scopes.join(", ")}`}>
        <b class="clip">{session.name || session.userId}</b>
        <span class="soft clip">{session.scopes.join(", ")}</span>
      </span>
      <button
        type="button"
        class="button small quiet"
        aria-label="Sign out"
        title="Sign out"
        onClick={() => void signOut()}
      >
        <Icon name="sign-out" />
      </button>
    </div>
  );
}
