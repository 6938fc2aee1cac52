/** Pages by address: older ones follow the last item, and the way back is the browser's. */

import { Icon } from "./icon";

interface Props {
  readonly first: string | null;
  readonly next: string | null;
  readonly shown: number;
  readonly what: string;
}

export function Paging({ first, next, shown, what }: Props) {
  if (!first && !next) return <p class="paging soft">{shown > 0 && `${shown} ${what}`}</p>;
  return (
    <nav class="paging" aria-label="Pages">
      <Way to={first} icon="left" word="Newest" />
      <span class="soft">
        {shown} {what}
      </span>
      <Way to={next} icon="right" word="Older" />
    </nav>
  );
}

function Way({ to, icon, word }: { to: string | null; icon: "left" | "right"; word: string }) {
  const inside = (
    <>
      {icon === "left" && <Icon name={icon} />}
      {word}
      {icon === "right" && <Icon name={icon} />}
    </>
  );
  if (to === null) return <span class="button small off">{inside}</span>;
  return (
    <a class="button small" href={to}>
      {inside}
    </a>
  );
}
