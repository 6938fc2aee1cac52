/** Formats numbers and times in the reader's locale. */

const number = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(undefined, {
  style: "percent",
  maximumFractionDigits: 0,
  signDisplay: "exceptZero",
});
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const signed = new Intl.NumberFormat(undefined, { signDisplay: "exceptZero" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const brief = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});
const older = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const STEPS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

export const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
export const count = (value: number): string => number.format(value);
export const compact = (value: number): string => (Math.abs(value) < 10_000 ? number : short).format(value);
export const change = (value: number): string => percent.format(value);
export const part = (value: number): string =>
  value > 0 && value < 0.005 ? `<${share.format(0.01)}` : share.format(value);
export const difference = (value: number): string => signed.format(value);
export const moment = (at: Date): string => whole.format(at);
export const date = (at: Date): string => day.format(at);
export const time = (at: Date): string => clock.format(at);

/** An amount in millionths of the currency; small amounts keep their third decimal. */
export const money = (micros: number, currency: string): string =>
  new Intl.NumberFormat(undefined, { style: "currency", currency, maximumFractionDigits: 3 }).format(micros / 1_000_000);

/** A time in a table: this year's with hours and minutes, others as a date. */
export const dated = (at: Date): string => (at.getFullYear() === new Date().getFullYear() ? brief : older).format(at);

/** How long ago a time was, or how far ahead it is. */
export function relative(at: Date, now: number): string {
  const seconds = Math.round((at.getTime() - now) / 1000);
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return ago.format(Math.trunc(seconds / size), unit);
  }
  return Math.abs(seconds) < 10 ? ago.format(0, "second") : ago.format(seconds, "second");
}

/** A duration in its largest unit. */
export function duration(seconds: number): string {
  const units = [...STEPS.slice(2), ["second", 1], ["millisecond", 0.001]] as const;
  const [unit, size] = units.find(([, size]) => seconds >= size) ?? units[units.length - 1]!;
  const digits = seconds < 10 && unit === "second" ? 1 : 0;
  return new Intl.NumberFormat(undefined, {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: digits,
  }).format(seconds / size);
}
