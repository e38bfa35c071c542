import { useEffect, useRef } from 'react';
import { Redirect, Route, Switch, useLocation } from 'wouter';
import { Announcer } from './components/Announcer';
import { Frame } from './components/Frame';
import { IncomingCall } from './components/IncomingCall';
import { BattlePage } from './pages/BattlePage';
import { BattlesPage } from './pages/BattlesPage';
import { CallPage } from './pages/CallPage';
import { CardsPage } from './pages/CardsPage';
import { ConferencePage } from './pages/ConferencePage';
import { EarningsPage } from './pages/EarningsPage';
import { ModelPage } from './pages/ModelPage';
import { ModelsPage } from './pages/ModelsPage';
import { NotFoundPage } from './pages/NotFoundPage';
import { SignInPage } from './pages/SignInPage';
import { StudioPage } from './pages/StudioPage';
import { SubscriptionsPage } from './pages/SubscriptionsPage';
import { WalletPage } from './pages/WalletPage';
import { LiveProvider } from './state/live';
import { SessionProvider, useSession } from './state/session';

export function App() {
  return (
    <Announcer>
      <SessionProvider>
        <Pages />
      </SessionProvider>
    </Announcer>
  );
}

function Pages() {
  const { me } = useSession();
  const [location] = useLocation();

  const shown = useRef(location);
  useEffect(() => {
    if (shown.current === location) return;
    shown.current = location;
    // A new page begins at its top, for the eye and for the keyboard.
    window.scrollTo(0, 0);
    document.getElementById('main')?.focus({ preventScroll: true });
  }, [location]);

  if (me === undefined) return <div className="splash" role="status" aria-label="Loading" />;
  if (me === null) return <SignInPage />;
  return (
    <LiveProvider me={me}>
      <Switch>
        <Route path="/call/:callId">{({ callId }) => <CallPage key={callId} callId={callId} />}</Route>
        <Route path="/battles/:roomId">{({ roomId }) => <BattlePage key={roomId} roomId={roomId} />}</Route>
        <Route path="/rooms/:roomId">{({ roomId }) => <ConferencePage key={roomId} roomId={roomId} />}</Route>
        <Route>
          <Frame>
            <Switch>
              {['/', '/sign-in', '/register'].map((path) => (
                <Route key={path} path={path}>
                  <Redirect to={me.role === 'creator' ? '/studio' : '/models'} replace />
                </Route>
              ))}
              <Route path="/models" component={ModelsPage} />
              <Route path="/models/:modelId">
                {({ modelId }) => <ModelPage key={modelId} modelId={modelId} />}
              </Route>
              <Route path="/battles" component={BattlesPage} />
              <Route path="/subscriptions" component={SubscriptionsPage} />
              <Route path="/wallet" component={WalletPage} />
              <Route path="/wallet/cards" component={CardsPage} />
              {me.role === 'creator' && <Route path="/studio" component={StudioPage} />}
              {me.role === 'creator' && <Route path="/studio/earnings" component={EarningsPage} />}
              <Route component={NotFoundPage} />
            </Switch>
          </Frame>
        </Route>
      </Switch>
      <IncomingCall />
    </LiveProvider>
  );
}
