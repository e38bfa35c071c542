import { type FormEvent, type KeyboardEvent, useState } from 'react';
import { ErrorNote } from '../components/ErrorNote';
import { Wordmark } from '../components/Wordmark';
import { useSession } from '../state/session';
import { useAction } from '../state/useLoad';
import { useTitle } from '../state/useTitle';

type Mode = 'sign-in' | 'register';

/** What visitors see first: what this is, and the way in. */
export function SignInPage() {
  useTitle('Sign in');
  const [mode, setMode] = useState<Mode>(location.pathname === '/register' ? 'register' : 'sign-in');
  return (
    <div className="welcome">
      <section className="welcome-stage" aria-label="About Curtaincall">
        <Wordmark />
        <div className="welcome-words">
          <h1>
            One call.
            <br />
            Just the two of you.
          </h1>
          <p>
            Private video with the creators you follow. You pay by the second, you see what it costs, and
            nothing is ever taken beyond your balance.
          </p>
        </div>
      </section>
      <main className="welcome-door">
        <div className="segmented" role="tablist" aria-label="Sign in or register" onKeyDown={chooseByArrow}>
          <ModeTab mode="sign-in" current={mode} choose={setMode} label="Sign in" />
          <ModeTab mode="register" current={mode} choose={setMode} label="Create account" />
        </div>
        <div role="tabpanel" id="door" aria-labelledby={`tab-${mode}`}>
          {mode === 'sign-in' ? <SignInForm /> : <RegisterForm />}
        </div>
      </main>
    </div>
  );
}

/** There are two tabs, so either arrow leads to the other one. */
function chooseByArrow(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
  const other = event.currentTarget.querySelector<HTMLButtonElement>('[aria-selected="false"]');
  other?.click();
  other?.focus();
}

function ModeTab(props: { mode: Mode; current: Mode; choose: (mode: Mode) => void; label: string }) {
  const selected = props.mode === props.current;
  return (
    <button
      type="button"
      role="tab"
      id={`tab-${props.mode}`}
      aria-selected={selected}
      aria-controls="door"
      tabIndex={selected ? 0 : -1}
      onClick={() => props.choose(props.mode)}
    >
      {props.label}
    </button>
  );
}

function SignInForm() {
  const { signIn } = useSession();
  const { run, busy, error } = useAction(signIn);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    run(String(form.get('email')), String(form.get('password')));
  };
  return (
    <form className="form" onSubmit={submit}>
      <label className="field">
        <span>Email</span>
        <input name="email" type="email" autoComplete="username" required />
      </label>
      <label className="field">
        <span>Password</span>
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      {error !== null && <ErrorNote error={error} />}
      <button type="submit" className="button button-primary button-wide" disabled={busy}>
        {busy ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  );
}

function RegisterForm() {
  const { register } = useSession();
  const { run, busy, error } = useAction(register);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    run({
      email: String(form.get('email')),
      password: String(form.get('password')),
      displayName: String(form.get('displayName')),
      birthDate: String(form.get('birthDate')),
      role: form.get('role') === 'creator' ? 'creator' : 'fan',
    });
  };
  return (
    <form className="form" onSubmit={submit}>
      <fieldset className="choice">
        <legend>I am here to</legend>
        <label>
          <input type="radio" name="role" value="fan" defaultChecked />
          <span>
            <strong>Call</strong>
            <small>as a fan</small>
          </span>
        </label>
        <label>
          <input type="radio" name="role" value="creator" />
          <span>
            <strong>Be called</strong>
            <small>as a creator</small>
          </span>
        </label>
      </fieldset>
      <label className="field">
        <span>Name that others see</span>
        <input name="displayName" autoComplete="nickname" maxLength={80} required />
      </label>
      <label className="field">
        <span>Email</span>
        <input name="email" type="email" autoComplete="username" maxLength={254} required />
      </label>
      <label className="field">
        <span>Password</span>
        <input
          name="password"
          type="password"
          autoComplete="new-password"
          minLength={8}
          maxLength={256}
          required
        />
        <small>At least 8 characters.</small>
      </label>
      <label className="field">
        <span>Date of birth</span>
        <input name="birthDate" type="date" autoComplete="bday" required />
        <small>You must be 18 or older.</small>
      </label>
      {error !== null && <ErrorNote error={error} />}
      <button type="submit" className="button button-primary button-wide" disabled={busy}>
        {busy ? 'Creating…' : 'Create account'}
      </button>
    </form>
  );
}
