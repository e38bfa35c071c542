export function Wordmark() {
  return (
    <span className="wordmark">
      <svg viewBox="0 0 64 64" aria-hidden="true" focusable="false">
        <path className="wordmark-right" d="M10 12h44v42H43c-4-4-5.6-10-5-17 1-12 7-20 16-20z" />
        <path className="wordmark-left" d="M54 12H10v42h11c4-4 5.6-10 5-17-1-12-7-20-16-20z" />
        <circle className="wordmark-light" cx="32" cy="45" r="4.5" />
      </svg>
      <span>Curtaincall</span>
    </span>
  );
}
