/** A link as a QR code, shown and offered as a picture; always dark on light, because scanners expect that. */

import { correction, generate } from "lean-qr/nano";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Icon } from "../../components/icon";

type Code = ReturnType<typeof generate>;

const PIXELS = 16; // of the PNG, per module of the code
const QUIET = 4; // modules of margin on each side

export function Qr({ text, name }: { text: string; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const code = useMemo(() => generate(text, { minCorrectionLevel: correction.M }), [text]);
  useEffect(() => {
    if (canvas.current) draw(code, canvas.current);
  }, [code]);
  return (
    <div class="qr">
      <canvas ref={canvas} role="img" aria-label={`QR code of ${text}`} />
      <div class="buttons">
        <button type="button" class="button small" onClick={() => save(png(code), `${name}.png`)}>
          <Icon name="download" />
          PNG
        </button>
        <button type="button" class="button small" onClick={() => save(svg(code), `${name}.svg`)}>
          <Icon name="download" />
          SVG
        </button>
      </div>
    </div>
  );
}

function draw(code: Code, canvas: HTMLCanvasElement): void {
  code.toCanvas(canvas, { on: [0, 0, 0, 255], off: [255, 255, 255, 255], pad: QUIET });
}

function save(address: string, name: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

function png(code: Code): string {
  const [small, large] = [document.createElement("canvas"), document.createElement("canvas")];
  draw(code, small);
  large.width = large.height = small.width * PIXELS;
  const context = large.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, large.width, large.height);
  return large.toDataURL("image/png");
}

function svg(code: Code): string {
  const side = code.size + 2 * QUIET;
  const dots: string[] = [];
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) if (code.get(x, y)) dots.push(`M${x + QUIET} ${y + QUIET}h1v1h-1z`);
  }
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" shape-rendering="crispEdges">` +
    `<path fill="#fff" d="M0 0h${side}v${side}H0z"/><path d="${dots.join("")}"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(text)}`;
}
