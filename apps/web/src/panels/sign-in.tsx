import { useState } from 'react';
import { setToken } from '../access.ts';

/** Asks for a token in place of the page, which shows nothing without one. */
export function SignIn({ reason, again }: { reason: string; again: boolean }) {
  const [text, setText] = useState('');
  return (
    <main>
      <form
        className="sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== '') setToken(text.trim());
        }}
      >
        <h2>This Perfleet asks for a token</h2>
        {again && (
          <p className="error" role="alert">
            {reason}
          </p>
        )}
        <label>
          Token
          <input
            type="password"
            autoComplete="off"
            autoFocus
            placeholder="pfl_…"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
        <button type="submit">Open</button>
        <p className="muted">
          <code>perfleet token create --name me --scope read,sql</code> makes one. It is kept until this tab is closed.
        </p>
      </form>
    </main>
  );
}
