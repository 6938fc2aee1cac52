/** The fields of a link that are set when it is created and can be changed later. */

import { useState } from "preact/hooks";
import { localRfc3339 } from "../../dates";
import { Field } from "../../components/field";

export interface LinkFields {
  readonly url: string;
  readonly channelId: string;
  readonly campaignId: string;
  /** In the format of `datetime-local`. */
  readonly expiresAt: string;
}

type Known = { url: string; channelId: string | null; campaignId: string | null; expiresAt: string | null };

export function useFields(known?: Known): [LinkFields, (changed: Partial<LinkFields>) => void] {
  const [fields, set] = useState<LinkFields>({
    url: known?.url ?? "",
    channelId: known?.channelId ?? "",
    campaignId: known?.campaignId ?? "",
    expiresAt: known?.expiresAt ? localRfc3339(new Date(known.expiresAt)).slice(0, 16) : "",
  });
  return [fields, (changed) => set((before) => ({ ...before, ...changed }))];
}

/** The fields in the format of the API, where an empty field is null. */
export function bodyOf({ url, channelId, campaignId, expiresAt }: LinkFields) {
  return {
    url: url.trim(),
    channelId: channelId.trim() || null,
    campaignId: campaignId.trim() || null,
    expiresAt: expiresAt ? localRfc3339(new Date(expiresAt)) : null,
  };
}

interface Props {
  readonly fields: LinkFields;
  readonly change: (changed: Partial<LinkFields>) => void;
  readonly urlHelp?: string;
}

const LABEL = "[A-Za-z0-9_.\\-]{1,64}";

export function Fields({ fields, change, urlHelp }: Props) {
  return (
    <>
      <div class="two">
        <Field
          label="Channel"
          value={fields.channelId}
          change={(channelId) => change({ channelId })}
          max={64}
          pattern={LABEL}
          placeholder="newsletter"
        />
        <Field
          label="Campaign"
          value={fields.campaignId}
          change={(campaignId) => change({ campaignId })}
          max={64}
          pattern={LABEL}
          placeholder="autumn-2026"
        />
      </div>
      <Field
        label="Leads to"
        type="url"
        value={fields.url}
        change={(url) => change({ url })}
        max={2048}
        placeholder="https://…"
        help={urlHelp}
        required={!urlHelp}
      />
      <Field
        label="Expires"
        type="datetime-local"
        value={fields.expiresAt}
        change={(expiresAt) => change({ expiresAt })}
        help="After that it no longer redirects, but it still counts."
      />
    </>
  );
}
