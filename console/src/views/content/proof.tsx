/** The proof of one content from one snapshot: counted + waiting = ledger, also for each cell. */

import { useQuery } from "../../api/query";
import { count, difference, moment } from "../../locale";
import { Icon } from "../../components/icon";
import { Card } from "../../components/page";
import { ProblemNotice, Skeleton } from "../../components/states";
import { Badge } from "../../components/values";

export function Proof({ path }: { path: { contentType: string; contentId: string } }) {
  const { data, problem, loading, refetch } = useQuery("/proof/{contentType}/{contentId}", { path });
  return (
    <Card
      title="Proof"
      class={loading && data ? "proof stale" : "proof"}
      aside={
        <button type="button" class="button small" disabled={loading} onClick={refetch}>
          <Icon name="retry" />
          Prove again
        </button>
      }
    >
      {problem && <ProblemNotice problem={problem} retry={refetch} />}
      {!data && !problem && <Skeleton rows={3} />}
      {data && (
        <>
          <div class="sum">
            <dl>
              <Term name="Counted" value={count(data.counted)} />
              <Term name="Waiting" value={count(data.pending)} sign="plus" />
              <Term name="Ledger" value={count(data.ledger)} sign="equals" />
            </dl>
            <Badge word={data.drift ? `drift ${difference(data.drift)}` : "exact"} tone={data.drift ? "bad" : "good"} />
          </div>
          <details class="more">
            <summary>
              {count(data.cells.length)} {data.cells.length === 1 ? "cell" : "cells"}, as of {moment(new Date(data.asOf))}
            </summary>
            <div class="cells" role="region" aria-label="Cells" tabIndex={0}>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Cell</th>
                    <th scope="col">Counted</th>
                    <th scope="col">Waiting</th>
                    <th scope="col">Ledger</th>
                    <th scope="col">Drift</th>
                  </tr>
                </thead>
                <tbody>
                  {data.cells.map(({ cell, counted, pending, ledger, drift }) => (
                    <tr key={cell}>
                      <th scope="row">{cell}</th>
                      <td>{count(counted)}</td>
                      <td>{count(pending)}</td>
                      <td>{count(ledger)}</td>
                      <td class={drift ? "bad" : ""}>{difference(drift)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </details>
        </>
      )}
    </Card>
  );
}

function Term({ name, value, sign = "" }: { name: string; value: string; sign?: string }) {
  return (
    <div class={sign}>
      <dt>{name}</dt>
      <dd class="num">{value}</dd>
    </div>
  );
}
