/** Links to the newest and to the next older items; the browser's Back returns to the previous page. */

import { count } from "../locale";
import { Icon } from "./icon";
import { toTop } from "./page";

interface Props {
  readonly first: string | null;
  readonly next: string | null;
  readonly shown: number;
  /** The name of one item, and of several. */
  readonly what: readonly [string, string];
}

export function Paging({ first, next, shown, what }: Props) {
  const summary = `${count(shown)} ${what[shown === 1 ? 0 : 1]}`;
  if (!first && !next) return <p class="paging soft">{shown > 0 && summary}</p>;
  return (
    <nav class="paging" aria-label="Pages">
      <PageLink to={first} icon="left" word="Newest" />
      <span class="soft">{summary}</span>
      <PageLink to={next} icon="right" word="Older" />
    </nav>
  );
}

function PageLink({ to, icon, word }: { to: string | null; icon: "left" | "right"; word: string }) {
  const label = (
    <>
      {icon === "left" && <Icon name={icon} />}
      {word}
      {icon === "right" && <Icon name={icon} />}
    </>
  );
  if (to === null) {
    return (
      <span class="button small off" role="link" aria-disabled="true">
        {label}
      </span>
    );
  }
  return (
    <a class="button small" href={to} onClick={(event) => event.ctrlKey || event.metaKey || event.shiftKey || toTop()}>
      {label}
    </a>
  );
}
