/** The filter of the audit; all its fields are in the URL. */

import { useState } from "preact/hooks";
import type { ViewQuery } from "../../view-query";
import { localRfc3339 } from "../../dates";
import { Field, Select } from "../../components/field";
import { Icon } from "../../components/icon";
import { useDebouncedText } from "../../debounced-text";

/** The fields, named as in `GET /audit` and its export. */
export const FIELDS = [
  "contentType",
  "contentId",
  "platform",
  "userId",
  "action",
  "status",
  "requestId",
  "from",
  "to",
] as const;
export type Filter = Readonly<Record<(typeof FIELDS)[number], string | null>>;

const ACTIONS = [
  "shared",
  "reshared",
  "revived",
  "withdrawn",
  "requested",
  "retried",
  "sending",
  "posted",
  "failed",
  "unknown",
  "link_created",
  "link_updated",
  "link_deleted",
  "adjusted",
  "discarded",
  "repaired",
  "account_connecting",
  "account_connected",
  "account_reconnected",
  "account_connect_failed",
  "account_refreshed",
  "account_refresh_failed",
  "account_needs_reauth",
  "account_revoke_failed",
  "account_disconnected",
] as const;
const STATUSES = ["success", "pending", "sending", "failed", "unknown", "withdrawn"] as const;
const EARLIEST = "1970";
const ANY = [["", "Any"]] as const;

export function filterOf(query: Readonly<Record<string, string>>): Filter {
  return Object.fromEntries(FIELDS.map((field) => [field, query[field]?.trim() || null])) as Filter;
}

export function Filters({ address: { query, go } }: { address: ViewQuery }) {
  const filter = filterOf(query);
  const used = FIELDS.filter((field) => filter[field]).length;
  const [open, setOpen] = useState(used > 0);
  const set = (field: string) => (value: string) => go({ [field]: value, after: null });
  return (
    <div class="audit-filters">
      <button type="button" class="button small filter-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="sliders" />
        Filter{used > 0 && ` (${used})`}
      </button>
      <form
        class={open ? "filter-grid open" : "filter-grid"}
        role="search"
        onSubmit={(event) => event.preventDefault()}
      >
        <SearchField label="Content type" value={filter.contentType} set={set("contentType")} />
        <SearchField label="Content id" value={filter.contentId} set={set("contentId")} />
        <SearchField label="User" value={filter.userId} set={set("userId")} />
        <SearchField label="Platform" value={filter.platform} set={set("platform")} />
        <Select
          label="Action"
          value={filter.action ?? ""}
          options={[...ANY, ...ACTIONS.map(named)]}
          change={set("action")}
        />
        <Select
          label="Outcome"
          value={filter.status ?? ""}
          options={[...ANY, ...STATUSES.map(named)]}
          change={set("status")}
        />
        <SearchField label="Request id" value={filter.requestId} set={set("requestId")} />
        <Moment label="From" value={filter.from} set={set("from")} />
        <Moment label="To" value={filter.to} set={set("to")} />
        <button
          type="button"
          class="button small"
          disabled={!used}
          onClick={() => go({ ...Object.fromEntries(FIELDS.map((field) => [field, null])), after: null })}
        >
          <Icon name="close" />
          Clear
        </button>
      </form>
    </div>
  );
}

const named = (name: string) => [name, name.replaceAll("_", " ")] as const;

interface SearchFieldProps {
  readonly label: string;
  readonly value: string | null;
  readonly set: (value: string) => void;
}

function SearchField({ label, value, set }: SearchFieldProps) {
  const [text, type] = useDebouncedText(value ?? "", (settled) => set(settled.trim()));
  return <Field type="search" label={label} value={text} change={type} max={160} />;
}

/** A local time, sent with the offset from UTC at that time; a year that is still being typed is not sent. */
function Moment({ label, value, set }: SearchFieldProps) {
  const at = new Date(value ?? NaN);
  const shown = Number.isNaN(at.getTime()) ? "" : localRfc3339(at).slice(0, 16);
  const [text, type] = useDebouncedText(shown, (settled) => {
    if (!settled) set("");
    else if (settled >= EARLIEST) set(localRfc3339(new Date(settled)));
  });
  return <Field type="datetime-local" label={label} value={text} required change={type} />;
}
