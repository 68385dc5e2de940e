import { useEffect, useState } from 'react';
import { enter } from './access.ts';
import { leaveToSignIn, providerOf, type Provider } from './flow.ts';

/** In place of the page, which shows nothing without a token: asks for one, or lets a person sign in at the provider. */
export function SignIn({ reason }: { reason: string }) {
  const [provider, setProvider] = useState<Provider | null>(null);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    providerOf().then(
      (answer) => {
        setProvider(answer.provider);
        setProblem(answer.error);
      },
      (error: unknown) => setProblem(textOf(error)),
    );
  }, []);
  return (
    <main>
      <div className="sign-in">
        <h2>{provider ? 'Sign in' : 'This Perfleet asks for a token'}</h2>
        {[reason, problem].filter(Boolean).map((text) => (
          <p key={text} className="error" role="alert">
            {text}
          </p>
        ))}
        {provider && (
          <button
            className="primary"
            autoFocus
            onClick={() => leaveToSignIn(provider).catch((error: unknown) => setProblem(textOf(error)))}
          >
            Sign in at {new URL(provider.issuer).host}
          </button>
        )}
        <TokenForm autoFocus={provider === null} />
      </div>
    </main>
  );
}

function TokenForm({ autoFocus }: { autoFocus: boolean }) {
  const [text, setText] = useState('');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== '') enter({ token: text.trim(), person: null });
      }}
    >
      <label>
        Token
        <input
          type="password"
          autoComplete="off"
          autoFocus={autoFocus}
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
  );
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
