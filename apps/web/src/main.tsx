import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { useAccess } from './sign-in/access.ts';
import { arrive, RETURN_PATH } from './sign-in/flow.ts';
import { SignIn } from './sign-in/sign-in.tsx';
import './styles.css';

/** The page, or what lets people in as soon as the API refuses them. */
function Door() {
  const { visit, refused } = useAccess();
  return refused === null ? <App key={visit} /> : <SignIn reason={refused} />;
}

const root = createRoot(document.getElementById('root')!);
// Whoever comes back from the provider is let in, or told why not, before anything is asked for.
if (location.pathname === RETURN_PATH) {
  root.render(<p className="empty">Signing in …</p>);
  await arrive();
}
root.render(<Door />);
