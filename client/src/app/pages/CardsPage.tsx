import { useCallback, useState } from 'react';
import type { PaymentMethod } from '@/api/schemas';
import { useAnnounce } from '../components/Announcer';
import { Confirm } from '../components/Confirm';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { AddCard } from '../payments/AddCard';
import { brandName, CardFace } from '../payments/CardPicker';
import { useSession } from '../state/session';
import { type Loaded, useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';
import { AutoRecharge } from '../wallet/AutoRecharge';
import { WalletHead } from '../wallet/WalletHead';

/** The saved cards, and whether one of them refills the wallet by itself. */
export function CardsPage() {
  useTitle('Cards');
  const { api } = useSession();
  const methods = useLoad(useCallback(() => api.paymentMethods(), [api]));
  return (
    <>
      <WalletHead />
      <div className="wallet">
        <Cards methods={methods} />
        <section className="panel" aria-labelledby="auto-recharge">
          <h2 id="auto-recharge">Automatic top-up</h2>
          {methods.data !== undefined && <AutoRecharge methods={methods.data} />}
        </section>
      </div>
    </>
  );
}

function Cards({ methods }: { methods: Loaded<PaymentMethod[]> }) {
  const { api } = useSession();
  const announce = useAnnounce();
  const [adding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState<PaymentMethod | null>(null);
  const { data, error, reload } = methods;
  return (
    <section className="panel" aria-labelledby="cards">
      <h2 id="cards">Your cards</h2>
      {error !== null && <ErrorNote error={error} retry={reload} />}
      {data === undefined && error === null && <div className="saved-card skeleton" />}
      {data?.length === 0 && !adding && (
        <p className="muted">No card saved yet. Save one, and adding money takes a single tap.</p>
      )}
      <ul className="saved-cards">
        {data?.map((method) => (
          <li key={method.paymentMethodId} className="saved-card saved-card-kept">
            <CardFace method={method} />
            <button
              type="button"
              className="icon-button"
              aria-label={`Remove ${brandName(method.brand)} ending in ${method.last4}`}
              onClick={() => setLeaving(method)}
            >
              <Icon name="trash" />
            </button>
          </li>
        ))}
      </ul>
      {adding ? (
        <AddCard
          onAdded={(method) => {
            setAdding(false);
            announce(`The card ending in ${method.last4} is saved.`, 'good');
            reload();
          }}
        />
      ) : (
        <button type="button" className="button button-quiet" onClick={() => setAdding(true)}>
          <Icon name="plus" />
          Add a card
        </button>
      )}
      {leaving !== null && (
        <Confirm
          title="Remove this card?"
          action="Remove card"
          keep="Keep it"
          close={() => setLeaving(null)}
          act={async () => {
            await api.removePaymentMethod(leaving.paymentMethodId);
            announce(`The card ending in ${leaving.last4} is removed.`, 'good');
            reload();
          }}
        >
          <p>
            The {brandName(leaving.brand)} ending in {leaving.last4} is forgotten, here and at the gateway.
            Subscriptions and automatic top-ups that it pays for will need another card.
          </p>
        </Confirm>
      )}
    </section>
  );
}
