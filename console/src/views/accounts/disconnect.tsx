/** The confirmation before an account is disconnected, also if its platform does not answer. */

import { useState } from "preact/hooks";
import { useAction } from "../../api/action";
import { callApi, Problem } from "../../api/client";
import { usePlatforms } from "../../api/platforms";
import { Dialog, Form } from "../../components/dialog";
import type { DialogProps } from "./account";

export function Disconnect({ account, close, done }: DialogProps) {
  const action = useAction();
  const { label } = usePlatforms();
  const [offersForce, setOffersForce] = useState(false);
  const [force, setForce] = useState(false);
  const platform = label(account.platform);
  const disconnect = () =>
    action.run(async () => {
      try {
        await callApi("delete", "/accounts/{id}", { path: { id: account.id }, query: { force: force || null } });
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== "platform-unavailable") throw error;
        setOffersForce(true);
        const detail = `${platform} does not take the permission back at the moment, so nothing was deleted.`;
        throw new Problem(error.status, error.code, detail);
      }
      done(`${account.handle} on ${platform} is disconnected.`);
    });
  return (
    <Dialog title={`Disconnect ${account.handle}?`} close={close}>
      <Form action={action} submitLabel="Disconnect" danger cancel={close} submit={() => void disconnect()}>
        <p>
          The permission to post is given back to {platform}, and this service deletes its tokens. Posts from this account
          that are still waiting fail. What was posted stays on {platform}.
        </p>
        {offersForce && (
          <label class="check">
            <input type="checkbox" checked={force} onChange={() => setForce(!force)} />
            <span>
              Delete the tokens here in any case. <span class="soft">I withdraw the permission on {platform} myself.</span>
            </span>
          </label>
        )}
      </Form>
    </Dialog>
  );
}
