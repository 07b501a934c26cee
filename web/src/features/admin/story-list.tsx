// The line of time of an order, as operators read it.
import { Checkbox } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { isKey, useText } from '@/i18n';
import { count } from '@/i18n/format';
import { Copyable } from '@/ui/copyable';
import { reasonForOperators } from '@/ui/history-words';
import { Empty, Status, Time } from '@/ui/small';
import type { Chapter, Entry } from './story';

const chapters: { chapter: Chapter; word: 'aorder.moves' | 'aorder.messages' | 'aorder.ledger' }[] = [
  { chapter: 'move', word: 'aorder.moves' },
  { chapter: 'message', word: 'aorder.messages' },
  { chapter: 'ledger', word: 'aorder.ledger' },
];

export function StoryList({ entries }: { entries: Entry[] }) {
  const { t } = useText();
  const [hidden, setHidden] = useState<Chapter[]>([]);
  const shown = entries.filter((entry) => !hidden.includes(entry.chapter));
  return (
    <>
      <div className="story-filter" role="group" aria-label={t('aorder.show')}>
        {chapters.map(({ chapter, word }) => (
          <Checkbox
            key={chapter}
            checked={!hidden.includes(chapter)}
            onChange={(event) => setHidden(event.target.checked ? hidden.filter((each) => each !== chapter) : [...hidden, chapter])}
          >
            {t(word)} ({entries.filter((entry) => entry.chapter === chapter).length})
          </Checkbox>
        ))}
      </div>
      {shown.length === 0 && <Empty title={t('common.none')} />}
      <ol className="story">
        {shown.map((entry) => (
          <li key={entry.key} className={`story-entry story-${entry.chapter}`} data-chapter={entry.chapter}>
            <Time at={entry.at} detail="second" />
            <span className="story-mark" aria-hidden="true" />
            <div className="story-words">
              <Words entry={entry} />
              {entry.trace && <Copyable text={entry.trace} label={t('problem.trace', { trace: entry.trace })} />}
            </div>
          </li>
        ))}
      </ol>
    </>
  );
}

function Words({ entry }: { entry: Entry }) {
  const { t, language } = useText();
  const { move, message, movement } = entry;
  if (move) {
    return (
      <p>
        <Status status={move.to} /> <span title={move.reason}>{reasonForOperators(move.reason, t)}</span> · <span className="quiet">{move.actor}</span> · {t('aorder.version', { version: move.version })}
      </p>
    );
  }
  if (message) {
    const state = `mstate.${message.state ?? ''}`;
    return (
      <>
        <p>
          <strong className="mono">{message.event}</strong> {t('aorder.to', { context: message.to })}{' '}
          {message.state && <span className={`mstate mstate-${message.state}`}>{isKey(state) ? t(state) : message.state}</span>}
        </p>
        <details className="payload">
          <summary>{t('aorder.payload')} <span className="mono quiet">{message.message_id}</span></summary>
          <pre tabIndex={0}>{JSON.stringify(message.payload, null, 2)}</pre>
        </details>
      </>
    );
  }
  if (!movement) return null;
  const kind = `kind.${movement.kind}`;
  return (
    <p>
      <strong>{isKey(kind) ? t(kind) : movement.kind}</strong> {count(movement.quantity, language)} ×{' '}
      <Link to={`/admin/stock?product=${movement.product_id}`} className="mono">#{movement.product_id}</Link> · {movement.actor}
    </p>
  );
}
