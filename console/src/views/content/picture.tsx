/** The picture of a content, or a placeholder. */

import { useState } from "preact/hooks";
import { Icon } from "../../components/icon";

export function Picture({ image, large = false }: { image: string | null; large?: boolean }) {
  const [failedImage, setFailedImage] = useState("");
  return (
    <span class={large ? "picture large" : "picture"}>
      {image && image !== failedImage ? (
        <img src={image} alt="" loading="lazy" referrerpolicy="no-referrer" onError={() => setFailedImage(image)} />
      ) : (
        <Icon name="content" />
      )}
    </span>
  );
}
