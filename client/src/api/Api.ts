import type { Decoder } from '@/wire/decode';
import { Requests, type RequestsOptions } from './Requests';
import * as schemas from './schemas';

export interface Registration {
  email: string;
  password: string;
  displayName: string;
  role: 'fan' | 'creator';
  /** ISO date. */
  birthDate: string;
}

export interface NewBattle {
  title: string;
  entryFeeMinor: number;
  /** Who plays besides the host. */
  players: readonly string[];
}

export interface NewTip {
  to: string;
  amountMinor: number;
  currency: string;
  message: string | null;
}

/** A stretch of days, both included, as ISO dates. */
export interface Days {
  from: string;
  to: string;
}

const segment = encodeURIComponent;

/** The REST API. The session lives in cookies that scripts cannot read; it is refreshed when it runs out. */
export class Api {
  readonly #requests: Requests;

  constructor(options: RequestsOptions = {}) {
    this.#requests = new Requests(options);
  }

  // Signing in

  me(): Promise<schemas.Me> {
    return this.#requests.get('/api/me', schemas.me);
  }

  register(registration: Registration): Promise<null> {
    return this.#requests.send('POST', '/api/auth/register', registration, schemas.nothing);
  }

  signIn(email: string, password: string): Promise<null> {
    return this.#requests.send('POST', '/api/auth/login', { email, password }, schemas.nothing);
  }

  signOut(): Promise<null> {
    return this.#requests.send('POST', '/api/auth/logout', undefined, schemas.nothing);
  }

  /** Renews the session's cookies. Throws `ApiError` 401 when there is no session any more. */
  refresh(): Promise<null> {
    return this.#requests.refresh();
  }

  // Creators, and what they earn

  models(): Promise<schemas.Model[]> {
    return this.#list('/api/models?limit=100', schemas.pageOf(schemas.model));
  }

  model(modelId: string): Promise<schemas.Model> {
    return this.#requests.get(`/api/models/${segment(modelId)}`, schemas.model);
  }

  setRates(rates: schemas.Rates): Promise<null> {
    return this.#requests.settle('PUT', '/api/creator/rates', rates, schemas.nothing);
  }

  earnings(): Promise<schemas.Earnings> {
    return this.#requests.get('/api/creator/earnings', schemas.earnings);
  }

  dailyEarnings(days: number): Promise<schemas.DailyEarnings> {
    return this.#requests.get(`/api/creator/earnings/daily?days=${days}`, schemas.dailyEarnings);
  }

  earningsCsv({ from, to }: Days): Promise<Blob> {
    return this.#requests.download(`/api/creator/earnings.csv?from=${segment(from)}&to=${segment(to)}`);
  }

  payouts(): Promise<schemas.Payout[]> {
    return this.#list('/api/creator/payouts', schemas.pageOf(schemas.payout));
  }

  /** Null: all that is payable. */
  requestPayout(amountMinor: number | null): Promise<schemas.Payout> {
    const body = amountMinor === null ? {} : { amountMinor };
    return this.#requests.pay('/api/creator/payouts', body, schemas.payout);
  }

  // Calls

  requestCall(modelId: string): Promise<schemas.Call> {
    return this.#requests.send('POST', '/api/calls', { modelId }, schemas.call);
  }

  call(callId: string): Promise<schemas.Call> {
    return this.#requests.get(`/api/calls/${segment(callId)}`, schemas.call);
  }

  calls(state: string): Promise<schemas.Call[]> {
    return this.#list(`/api/calls?state=${segment(state)}`, schemas.pageOf(schemas.call));
  }

  acceptCall(callId: string): Promise<schemas.Call> {
    return this.#act(callId, 'accept');
  }

  declineCall(callId: string): Promise<schemas.Call> {
    return this.#act(callId, 'decline');
  }

  endCall(callId: string): Promise<schemas.Call> {
    return this.#act(callId, 'end');
  }

  /** Pays for not waiting: the call is accepted at once. */
  unlockCall(callId: string): Promise<schemas.Call> {
    return this.#requests.pay(`/api/calls/${segment(callId)}/unlock`, {}, schemas.call);
  }

  receipt(callId: string): Promise<schemas.Receipt> {
    return this.#requests.get(`/api/calls/${segment(callId)}/receipt`, schemas.receipt);
  }

  // Wallet

  wallet(): Promise<schemas.Wallet> {
    return this.#requests.get('/api/wallet', schemas.wallet);
  }

  transactions(cursor: string | null): Promise<schemas.Page<schemas.Transaction>> {
    const from = cursor === null ? '' : `&cursor=${segment(cursor)}`;
    return this.#requests.get(
      `/api/wallet/transactions?limit=20${from}`,
      schemas.pageOf(schemas.transaction),
    );
  }

  transactionsCsv({ from, to }: Days): Promise<Blob> {
    return this.#requests.download(`/api/wallet/transactions.csv?from=${segment(from)}&to=${segment(to)}`);
  }

  gateways(): Promise<schemas.Gateway[]> {
    return this.#list('/api/wallet/gateways', schemas.pageOf(schemas.gateway));
  }

  paymentMethods(): Promise<schemas.PaymentMethod[]> {
    return this.#list('/api/wallet/payment-methods', schemas.pageOf(schemas.paymentMethod));
  }

  setUpCard(gateway: string): Promise<schemas.CardSetup> {
    return this.#requests.send('POST', '/api/wallet/payment-methods/setup', { gateway }, schemas.cardSetup);
  }

  addPaymentMethod(gateway: string, token: string): Promise<schemas.PaymentMethod> {
    return this.#requests.send(
      'POST',
      '/api/wallet/payment-methods',
      { gateway, token },
      schemas.paymentMethod,
    );
  }

  removePaymentMethod(paymentMethodId: string): Promise<null> {
    const path = `/api/wallet/payment-methods/${segment(paymentMethodId)}`;
    return this.#requests.send('DELETE', path, undefined, schemas.nothing);
  }

  topUp(amountMinor: number, currency: string, paymentMethodId: string): Promise<schemas.TopUp> {
    return this.#requests.pay(
      '/api/wallet/top-ups',
      { amountMinor, currency, paymentMethodId },
      schemas.topUp,
    );
  }

  topUpOf(topUpId: string): Promise<schemas.TopUp> {
    return this.#requests.get(`/api/wallet/top-ups/${segment(topUpId)}`, schemas.topUp);
  }

  autoRecharge(): Promise<schemas.AutoRecharge> {
    return this.#requests.get('/api/wallet/auto-recharge', schemas.autoRecharge);
  }

  setAutoRecharge(wish: schemas.AutoRecharge): Promise<schemas.AutoRecharge> {
    const body = Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== null));
    return this.#requests.settle('PUT', '/api/wallet/auto-recharge', body, schemas.autoRecharge);
  }

  // Subscriptions

  subscriptions(): Promise<schemas.Subscription[]> {
    return this.#list('/api/subscriptions', schemas.pageOf(schemas.subscription));
  }

  subscribe(modelId: string, paymentMethodId: string): Promise<schemas.Subscription> {
    return this.#requests.pay('/api/subscriptions', { modelId, paymentMethodId }, schemas.subscription);
  }

  /** At the end of the period that is paid for. */
  cancelSubscription(subscriptionId: string): Promise<schemas.Subscription> {
    const path = `/api/subscriptions/${segment(subscriptionId)}`;
    return this.#requests.settle('DELETE', path, undefined, schemas.subscription);
  }

  // Rooms

  battles(): Promise<schemas.Battle[]> {
    return this.#list('/api/rooms?kind=battle', schemas.pageOf(schemas.battle));
  }

  battle(roomId: string): Promise<schemas.Battle> {
    return this.#requests.get(`/api/rooms/${segment(roomId)}`, schemas.battle);
  }

  openBattle(battle: NewBattle): Promise<schemas.Room> {
    return this.#requests.send('POST', '/api/rooms', { kind: 'battle', ...battle }, schemas.room);
  }

  enterBattle(roomId: string): Promise<schemas.Entry> {
    return this.#requests.pay(`/api/rooms/${segment(roomId)}/entry`, {}, schemas.entry);
  }

  tip(roomId: string, { to, amountMinor, currency, message }: NewTip): Promise<schemas.Tip> {
    const body = { to, amountMinor, currency, ...(message !== null && { message }) };
    return this.#requests.pay(`/api/rooms/${segment(roomId)}/tips`, body, schemas.tip);
  }

  /** The pot goes to the host less the fee; with `cancel`, back to those who paid. */
  endBattle(roomId: string, cancel: boolean): Promise<null> {
    return this.#requests.pay(
      `/api/rooms/${segment(roomId)}/end`,
      cancel ? { cancel: true } : {},
      schemas.nothing,
    );
  }

  conference(roomId: string): Promise<schemas.Conference> {
    return this.#requests.get(`/api/rooms/${segment(roomId)}`, schemas.conference);
  }

  openConference(title: string): Promise<schemas.Room> {
    return this.#requests.send('POST', '/api/rooms', { kind: 'conference', title }, schemas.room);
  }

  async joinToken(roomId: string): Promise<string> {
    const path = `/api/rooms/${segment(roomId)}/join-token`;
    return (await this.#requests.send('POST', path, { isSpectator: false }, schemas.joinToken)).token;
  }

  #act(callId: string, action: 'accept' | 'decline' | 'end'): Promise<schemas.Call> {
    return this.#requests.settle('POST', `/api/calls/${segment(callId)}/${action}`, {}, schemas.call);
  }

  async #list<T>(path: string, decoder: Decoder<schemas.Page<T>>): Promise<T[]> {
    return (await this.#requests.get(path, decoder)).items;
  }
}
