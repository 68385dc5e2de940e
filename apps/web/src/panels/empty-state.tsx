export function EmptyState({ waiting }: { waiting: boolean }) {
  return (
    <p className="empty">
      {waiting
        ? 'Loading …'
        : 'No samples in this time range and selection. The first window arrives about ten seconds after the start.'}
    </p>
  );
}

export function ErrorLine({ error }: { error: string | null }) {
  return error ? (
    <p className="error" role="alert">
      {error}
    </p>
  ) : null;
}
