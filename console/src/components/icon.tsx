/** Our own icons, drawn with one stroke width on a grid of 20 by 20. */

const PATHS = {
  overview: "M3 17V9M8 17V4M13 17v-6M18 17V7",
  content: "M5 2.5h7l4 4v11H5zM12 2.5v4h4M8 11h5M8 14h5",
  links:
    "M8.5 11.5a3.5 3.5 0 0 0 5 0l2.5-2.5a3.5 3.5 0 0 0-5-5l-1 1M11.5 8.5a3.5 3.5 0 0 0-5 0L4 11a3.5 3.5 0 0 0 5 5l1-1",
  posts: "M17.5 2.5 9 11M17.5 2.5 12 17.5l-3-6.5-6.5-3z",
  accounts: "M13 10a3 3 0 1 1-6 0 3 3 0 0 1 6 0zM13 7v4.2a2.2 2.2 0 0 0 4.4 0V10a7.4 7.4 0 1 0-3 5.9",
  audit: "M7.5 5H17M7.5 10H17M7.5 15H17M3 5h.5M3 10h.5M3 15h.5",
  dead: "M3 11h4l1.5 2.5h3L13 11h4M3 11l2.5-7h9L17 11v5.5H3z",
  keys: "M8 12.5 16.5 4M13 7.5l2.5 2.5M15 5.5l2 2M9 14.5a3 3 0 1 1-6 0 3 3 0 0 1 6 0z",
  copy: "M7 7V3h10v10h-4M3 7h10v10H3z",
  check: "M4 10.5 8 14.5 16 5.5",
  search: "M14 8.5a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0zM12.5 12.5 17 17",
  close: "M5 5l10 10M15 5 5 15",
  right: "M8 5l5 5-5 5",
  left: "M12 5l-5 5 5 5",
  down: "M5 8l5 5 5-5",
  download: "M10 3v10M6 9.5l4 4 4-4M3.5 17h13",
  plus: "M10 4v12M4 10h12",
  external: "M8 4H4v12h12v-4M11.5 4H16v4.5M16 4l-7 7",
  retry: "M16.5 10a6.5 6.5 0 1 1-2-4.7L16.5 7M16.5 3v4h-4",
  edit: "M4 16l1-4L14 3l3 3-9 9zM12 5l3 3",
  trash: "M4 6h12M8 6V3.5h4V6M5.5 6l.8 11h7.4l.8-11M8.5 9v5M11.5 9v5",
  "sign-out": "M8 4H4v12h4M12 6.5 16 10l-4 3.5M16 10H8",
  warning: "M10 3 18 17H2zM10 8v4M10 14.5v.2",
  person: "M13 7a3 3 0 1 1-6 0 3 3 0 0 1 6 0zM4 17c.5-3.5 3-5 6-5s5.5 1.5 6 5",
  sliders: "M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The logo: four strokes with one across them, a tally. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="9" />
      <path d="M9 9v14M14 9v14M19 9v14M24 9v14M5.5 20.5 27 11.5" />
    </svg>
  );
}
