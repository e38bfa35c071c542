/** A person without a photograph: the folds of a curtain in colours of their own, and an initial. */
export function Portrait({ id, name, size = 'card' }: { id: string; name: string; size?: 'card' | 'small' }) {
  const seed = hash(id);
  const hue = HUES[seed % HUES.length] ?? 340;
  const gradient = `fold-${size}-${seed.toString(36)}`;
  const folds = 7 + (seed % 4);
  return (
    <svg
      className={`portrait portrait-${size}`}
      viewBox="0 0 300 400"
      preserveAspectRatio="xMidYMid slice"
      aria-hidden="true"
      focusable="false"
    >
      <defs>
        <linearGradient id={gradient} x1="0" x2="1" y1="0" y2="0">
          <stop offset="0" stopColor={`hsl(${hue} 62% 13%)`} />
          <stop offset="0.35" stopColor={`hsl(${hue} 66% 33%)`} />
          <stop offset="0.55" stopColor={`hsl(${hue + 14} 72% 46%)`} />
          <stop offset="1" stopColor={`hsl(${hue - 8} 60% 12%)`} />
        </linearGradient>
        <radialGradient id={`${gradient}-light`} cx="0.5" cy="0.36" r="0.62">
          <stop offset="0" stopColor={`hsl(${hue + 30} 90% 78%)`} stopOpacity="0.42" />
          <stop offset="1" stopColor="#0b0710" stopOpacity="0.3" />
        </radialGradient>
      </defs>
      {Array.from({ length: folds }, (_, fold) => foldPath(fold, folds, seed)).map((path) => (
        <path key={path} d={path} fill={`url(#${gradient})`} />
      ))}
      <rect width="300" height="400" fill={`url(#${gradient}-light)`} />
      <text
        x="150"
        y={size === 'card' ? 138 : 200}
        textAnchor="middle"
        dominantBaseline="central"
        className="portrait-initial"
      >
        {Array.from(name.trim())[0]?.toUpperCase() ?? '?'}
      </text>
    </svg>
  );
}

const HUES = [338, 352, 12, 286, 262, 222, 196, 168, 318, 28] as const;

/** FNV-1a: a small number that is always the same for the same id. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return value;
}

function foldPath(fold: number, folds: number, seed: number): string {
  const width = 300 / folds;
  const left = fold * width;
  const sway = (((seed >> fold) & 7) - 3) * 2.5;
  const right = left + width + 1;
  return `M${left} 0H${right}C${right + sway} 140 ${right - sway} 260 ${right} 400H${left}C${left - sway} 260 ${left + sway} 140 ${left} 0Z`;
}
