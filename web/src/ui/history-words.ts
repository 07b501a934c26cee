// What the records call a state, a reason or somebody, in words for people. What has no words of its own is shown as it is.
import { isKey, type Translate } from '@/i18n';

export const statusWord = (status: string, t: Translate): string => {
  const key = `status.${status}`;
  return isKey(key) ? t(key) : status;
};

export function reasonWords(reason: string, t: Translate): string {
  const key = `reason.${reason}`;
  return isKey(key) ? t(key) : reason.replaceAll('_', ' ');
}

/** For operators, to whom a customer is somebody else. */
export function reasonForOperators(reason: string, t: Translate): string {
  const key = `areason.${reason}`;
  return isKey(key) ? t(key) : reasonWords(reason, t);
}

export function actorWords(actor: string, t: Translate): string {
  const [kind = '', name = ''] = actor.split(':', 2);
  const key = `actor.${kind}`;
  return isKey(key) ? t(key, { name }) : actor;
}

export function paymentWords(state: string | null | undefined, t: Translate): string | undefined {
  const key = `payment.${state ?? ''}`;
  return isKey(key) ? t(key) : (state ?? undefined);
}
