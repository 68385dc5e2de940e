import { useEffect, useState } from 'react';

export interface Polled<T> {
  readonly data: T | null;
  readonly error: string | null;
  readonly loading: boolean;
}

/**
 * Loads when `key` changes and again every `everyMs` (0 = once) while the tab is visible. An older answer never replaces
 * a newer one, a failed refresh keeps the last data beside its error, and leaving cancels the request.
 */
export function usePolled<T>(key: string, everyMs: number, load: (signal: AbortSignal) => Promise<T>): Polled<T> {
  const [state, setState] = useState<Polled<T>>({ data: null, error: null, loading: true });
  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = async () => {
      if (document.visibilityState === 'visible') {
        setState((before) => ({ ...before, loading: true }));
        try {
          const data = await load(controller.signal);
          if (!controller.signal.aborted) setState({ data, error: null, loading: false });
        } catch (error) {
          if (controller.signal.aborted) return;
          setState((before) => ({
            ...before,
            error: error instanceof Error ? error.message : String(error),
            loading: false,
          }));
        }
      }
      if (everyMs > 0 && !controller.signal.aborted) timer = setTimeout(() => void turn(), everyMs);
    };
    void turn();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
    // The key stands for everything `load` closes over.
  }, [key, everyMs]);
  return state;
}
