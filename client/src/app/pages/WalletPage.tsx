import { formatMoney } from '@/money/money';
import { TopUp } from '../payments/TopUp';
import { useLive } from '../state/live';
import { useTitle } from '../state/useTitle';
import { Movements } from '../wallet/Movements';
import { WalletHead } from '../wallet/WalletHead';

/** What there is, what is held for a call, how to add, and every movement. */
export function WalletPage() {
  useTitle('Wallet');
  const { wallet } = useLive();
  return (
    <>
      <WalletHead />
      <div className="wallet">
        <section className="balance-card" aria-label="Balance">
          {wallet === null ? (
            <div className="skeleton balance-skeleton" />
          ) : (
            <>
              <p className="balance-label">Available</p>
              <p className="balance-figure">{formatMoney(wallet.availableMinor, wallet.currency)}</p>
              <dl className="balance-parts">
                <div>
                  <dt>Balance</dt>
                  <dd>{formatMoney(wallet.balanceMinor, wallet.currency)}</dd>
                </div>
                <div>
                  <dt>Held for a call</dt>
                  <dd>{formatMoney(wallet.heldMinor, wallet.currency)}</dd>
                </div>
              </dl>
            </>
          )}
        </section>
        <section className="panel" aria-labelledby="add-money">
          <h2 id="add-money">Add money</h2>
          <TopUp />
        </section>
        <Movements newest={wallet?.balanceMinor} />
      </div>
    </>
  );
}
