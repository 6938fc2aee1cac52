/** The frame of a view: it sets the document title, and focuses the heading when the user arrives. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useLocation } from "preact-iso/router";

interface Props {
  readonly title: string;
  readonly lead?: ComponentChildren;
  readonly actions?: ComponentChildren;
  /** Identifies the page: a sheet that opens over the page changes the URL, but not this. */
  readonly pageId?: string;
  readonly children: ComponentChildren;
}

let shown = "";

export function Page({ title, lead, actions, pageId, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { path } = useLocation();
  const currentPage = pageId ?? path;
  useEffect(() => {
    if (title.trim()) document.title = `${title} · Sharetally`;
  }, [title]);
  useEffect(() => {
    if (shown && shown !== currentPage) heading.current?.focus({ preventScroll: true });
    shown = currentPage;
  }, [currentPage]);
  useLayoutEffect(() => {
    // The router scrolls to the top after each change of the URL; under a sheet, the page must keep its position.
    if (shown !== currentPage) return;
    const { scrollY } = window;
    queueMicrotask(() => scrollTo(0, scrollY));
  }, [path]);
  return (
    <div class="page">
      <header class="page-head">
        <div class="page-title">
          <h1 ref={heading} tabIndex={-1} dir="auto">
            {title}
          </h1>
          {lead && <div class="lead">{lead}</div>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** Scroll to the top of the page and focus its heading. */
export function toTop(): void {
  scrollTo(0, 0);
  document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
}

interface CardProps {
  readonly title?: ComponentChildren;
  readonly aside?: ComponentChildren;
  readonly class?: string;
  readonly label?: string;
  readonly children: ComponentChildren;
}

/** A section of the page with a heading. */
export function Card({ title, aside, label, class: name = "", children }: CardProps) {
  return (
    <section class={`card ${name}`} aria-label={label ?? (typeof title === "string" ? title : undefined)}>
      {(title || aside) && (
        <header class="card-head">
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}
