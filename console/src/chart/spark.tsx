/** A small bar chart without axes. */

export function Spark({ values }: { values: readonly number[] }) {
  const most = Math.max(1, ...values);
  const width = 100 / Math.max(1, values.length);
  return (
    <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {values.map((value, index) => {
        const height = value > 0 ? Math.max(1.5, (value / most) * 24) : 0.75;
        return <rect key={index} x={index * width} y={24 - height} width={width * 0.72} height={height} />;
      })}
    </svg>
  );
}
