import { createRoot } from 'react-dom/client';
import { useAccess } from './access.ts';
import { App } from './app.tsx';
import { SignIn } from './panels/sign-in.tsx';
import './styles.css';

/** The page, or what asks for a token as soon as the API refuses one. A new token begins with a new page. */
function Door() {
  const { token, refused } = useAccess();
  return refused === '' ? <App key={token} /> : <SignIn reason={refused} again={token !== ''} />;
}

createRoot(document.getElementById('root')!).render(<Door />);
