// An order's life as a line of stations: what is behind it is drawn through, where it stands is a ring, what lies ahead
// is faint. An order that left the line (cancelled, returned) ends it there.
import { useText } from '@/i18n';
import { statusWord } from './history-words';

export const stations = ['placed', 'confirmed', 'paid', 'shipped', 'delivered'] as const;

const reachedBy: Record<string, number> = { pending: 0, confirmed: 1, paid: 2, ship_failed: 2, shipped: 3, delivered: 4, returned: 4 };

interface Stop {
  status: string;
  /** The states the order has been in. */
  history: { to: string }[];
}

/** The number of the last station reached, and whether the order has left the line. */
export function reached({ status, history }: Stop): { at: number; hasLeft: boolean } {
  if (status !== 'cancelled') return { at: reachedBy[status] ?? 0, hasLeft: status === 'returned' };
  const furthest = Math.max(0, ...history.map((move) => reachedBy[move.to] ?? 0));
  return { at: furthest, hasLeft: true };
}

export function Journey({ order, isLarge = false }: { order: Stop; isLarge?: boolean }) {
  const { t } = useText();
  const { at, hasLeft } = reached(order);
  const isDone = order.status === 'delivered';
  const label = t('journey.label', { status: statusWord(order.status, t), at: at + 1, of: stations.length });
  const kind = hasLeft ? 'left' : order.status === 'ship_failed' ? 'stuck' : isDone ? 'done' : 'going';
  return (
    <div className={`journey journey-${kind} ${isLarge ? 'journey-large' : ''}`} role="img" aria-label={label} data-at={at}>
      {stations.map((station, index) => (
        <span key={station} className={`station ${index < at || (isDone && index === at) ? 'behind' : index === at ? 'here' : 'ahead'}`}>
          <span className="station-dot" />
          {isLarge && <span className="station-name">{t(`station.${station}`)}</span>}
        </span>
      ))}
    </div>
  );
}
