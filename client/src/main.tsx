import '@fontsource-variable/inter';
import '@fontsource/instrument-serif';
import './app/styles/index.css';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
// No StrictMode: it leaves and enters every page twice in development, and leaving a call page hangs up.
createRoot(root).render(<App />);
