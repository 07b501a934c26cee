// What happened to an order: each move with its time, how long after the one before, who did it and why.
import type { OrderMove } from '@/api/client';
import { useText } from '@/i18n';
import { duration } from '@/i18n/format';
import { actorWords, reasonWords, statusWord } from '@/ui/history-words';
import { Time } from '@/ui/small';

export function Timeline({ history }: { history: OrderMove[] }) {
  const { t, language } = useText();
  return (
    <ol className="timeline">
      {history.map((move, index) => {
        const before = history[index - 1];
        const after = before ? Date.parse(move.at) - Date.parse(before.at) : 0;
        return (
          <li key={move.version} className={`timeline-move timeline-${move.to}`} data-to={move.to}>
            <span className="timeline-dot" aria-hidden="true" />
            <div className="timeline-words">
              <strong>{statusWord(move.to, t)}</strong>
              <span>{reasonWords(move.reason, t)} · {t('orders.by', { actor: actorWords(move.actor, t) })}</span>
            </div>
            <span className="timeline-when">
              <Time at={move.at} detail="second" />
              {before && <small>{t('orders.after', { duration: duration(after, language) })}</small>}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
