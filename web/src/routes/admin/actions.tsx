// What operators did, to what, when and with what outcome: /admin/actions
import { useState } from 'react';
import { Link } from 'react-router';
import type { Action } from '@/api/client';
import { useActions } from '@/features/admin/queries';
import { isKey, useText, type Translate } from '@/i18n';
import { Copyable } from '@/ui/copyable';
import { Grid } from '@/ui/grid';
import { Pager } from '@/ui/pager';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, PageHead, Time, Waiting } from '@/ui/small';

const deedWord = (deed: string, t: Translate): string => {
  const key = `deed.${deed}`;
  return isKey(key) ? t(key) : deed.replaceAll('_', ' ');
};

function Outcome({ action }: { action: Action }) {
  const { t } = useText();
  const key = `outcome.${action.outcome}`;
  return (
    <span className={`outcome outcome-${action.outcome}`} title={action.outcome === 'open' ? t('actions.open_explain') : undefined}>
      {isKey(key) ? t(key) : action.outcome}
      {action.code && <span className="mono"> {action.code}</span>}
    </span>
  );
}

function Subject({ action }: { action: Action }) {
  const { deed, subject } = action;
  if (deed.endsWith('_order')) return <Link className="mono" to={`/admin/orders/${subject}`}>{subject}</Link>;
  if (deed.endsWith('_stock') || deed.endsWith('_product')) return <Link className="mono" to={`/admin/stock?product=${subject}`}>#{subject}</Link>;
  return <span className="mono subject">{subject}</span>;
}

const detailWord = (name: string, t: Translate): string => {
  const key = `detail.${name}`;
  return isKey(key) ? t(key) : name.replaceAll('_', ' ');
};

const details = (action: Action, t: Translate) =>
  Object.entries(action.details)
    .map(([name, value]) => `${detailWord(name, t)}: ${value}`)
    .join(' · ');

export function Component() {
  const { t } = useText();
  const [trail, setTrail] = useState<string[]>([]);
  const { data, error, isPending } = useActions(trail.at(-1) ?? '');
  return (
    <main className="page">
      <PageHead title={t('actions.title')}>{t('actions.explain')}</PageHead>
      {error && <ProblemNote error={error} />}
      {isPending && !error ? (
        <Waiting rows={8} />
      ) : (
        <Grid
          rows={data?.actions ?? []}
          rowKey="action_id"
          label={t('actions.title')}
          empty={<Empty title={t('actions.none')} next={t('actions.none_next')} />}
          columns={[
            { title: t('col.time'), render: (row: Action) => <Time at={row.at} detail="second" /> },
            { title: t('col.actor'), render: (row: Action) => row.actor },
            { title: t('col.action'), render: (row: Action) => deedWord(row.deed, t) },
            { title: t('col.target'), render: (row: Action) => <Subject action={row} /> },
            { title: t('col.details'), render: (row: Action) => <span className="cause">{details(row, t)}</span> },
            { title: t('col.outcome'), render: (row: Action) => <Outcome action={row} /> },
            { title: t('aorder.trace'), render: (row: Action) => row.trace_id && <Copyable text={row.trace_id} label={row.trace_id.slice(0, 8)} /> },
          ]}
        />
      )}
      <Pager trail={trail} next={data?.next_page_token ?? ''} onGo={setTrail} />
    </main>
  );
}
