/** A link as a QR code, to show and to keep as a picture. Always dark on light: readers want it so. */

import { correction, generate } from "lean-qr";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Icon } from "../../parts/icon";

const MODULE_PIXELS = 16;
const QUIET = 4;

export function Qr({ text, name }: { text: string; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const code = useMemo(() => generate(text, { minCorrectionLevel: correction.M }), [text]);
  useEffect(() => {
    if (canvas.current) code.toCanvas(canvas.current, { on: [0, 0, 0, 255], off: [255, 255, 255, 255], pad: QUIET });
  }, [code]);
  const save = (address: string, suffix: string) => {
    const link = document.createElement("a");
    link.href = address;
    link.download = `${name}.${suffix}`;
    link.click();
  };
  return (
    <div class="qr">
      <canvas ref={canvas} role="img" aria-label={`QR code of ${text}`} />
      <div class="buttons">
        <button
          type="button"
          class="button small"
          onClick={() =>
            save(
              code.toDataURL({ scale: MODULE_PIXELS, pad: QUIET, on: [0, 0, 0, 255], off: [255, 255, 255, 255] }),
              "png",
            )
          }
        >
          <Icon name="download" />
          PNG
        </button>
        <button
          type="button"
          class="button small"
          onClick={() => save(`data:image/svg+xml,${encodeURIComponent(drawn(code))}`, "svg")}
        >
          <Icon name="download" />
          SVG
        </button>
      </div>
    </div>
  );
}

function drawn(code: ReturnType<typeof generate>): string {
  const side = code.size + 2 * QUIET;
  const dots: string[] = [];
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) if (code.get(x, y)) dots.push(`M${x + QUIET} ${y + QUIET}h1v1h-1z`);
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" shape-rendering="crispEdges">` +
    `<path fill="#fff" d="M0 0h${side}v${side}H0z"/><path d="${dots.join("")}"/></svg>`
  );
}
