// How the node is doing: /admin/system
import { Button, Input } from 'antd';
import { useState } from 'react';
import type { OperatorAction, SystemReport } from '@/api/shapes';
import { useActions, useOperatorName, useRebuild, useSystem } from '@/features/admin/queries';
import { useText } from '@/i18n';
import { count, duration } from '@/i18n/format';
import { Question } from '@/ui/dialog';
import { Grid } from '@/ui/grid';
import { useNotices } from '@/ui/notices';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, PageHead, Panel, Time, Waiting } from '@/ui/small';

export function Component() {
  const { t, language } = useText();
  const { data: system, error } = useSystem();
  return (
    <main className="page">
      <PageHead title={t('system.title')}>{system && `${system.profile} · ${system.version} ${system.commit ?? ''}`}</PageHead>
      {error && <ProblemNote error={error} />}
      {!system && !error && <Waiting rows={8} />}
      {system && (
        <>
          <dl className="figures">
            <div className="figure"><dt>{t('system.commit')}</dt><dd>{duration(system.disk.commit_ms_last, language)}</dd></div>
            <div className="figure"><dt>{t('system.commit_len')}</dt><dd>{count(system.disk.commit_len_last, language)}</dd></div>
            <div className="figure"><dt>{t('system.holds')}</dt><dd>{count(system.holds, language)}</dd></div>
            <div className="figure"><dt>{t('system.streams')}</dt><dd>{count(system.streams, language)}</dd></div>
            <div className="figure"><dt>{t('system.letters')}</dt><dd>{count(system.dead_letters, language)}</dd></div>
          </dl>
          <div className="two-columns">
            <Roles roles={system.roles} />
            <div className="board-stack">
              <Queues queues={system.queues} />
              <Projections projections={system.projections} />
            </div>
          </div>
          <Actions />
          <Readings readings={system.readings} />
        </>
      )}
    </main>
  );
}

function Roles({ roles }: Pick<SystemReport, 'roles'>) {
  const { t, language } = useText();
  const number = (value: number | null | undefined) => (value === null || value === undefined ? '–' : count(value, language));
  type Role = SystemReport['roles'][number];
  return (
    <Panel title={t('system.roles')}>
      <Grid
        rows={roles}
        rowKey="name"
        label={t('system.roles')}
        empty={t('common.none')}
        columns={[
          { title: t('col.name'), render: (role: Role) => role.name },
          { title: t('col.lag'), align: 'right' as const, render: (role: Role) => number(role.lag) },
          { title: t('col.waiting'), align: 'right' as const, render: (role: Role) => number(role.waiting) },
        ]}
      />
    </Panel>
  );
}

function Queues({ queues }: Pick<SystemReport, 'queues'>) {
  const { t, language } = useText();
  return (
    <Panel title={t('system.queues')}>
      <ul className="bars">
        {queues.map((queue) => (
          <li key={queue.name} className="bar">
            <span className="bar-name">{queue.name}</span>
            <svg className="bar-track" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width={Math.min(100, (queue.depth / Math.max(1, queue.max)) * 100)} height="8" /></svg>
            <span className="bar-count" title={`${t('col.limit')} ${count(queue.max, language)}`}>{count(queue.depth, language)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Projections({ projections }: Pick<SystemReport, 'projections'>) {
  const { t, language } = useText();
  const name = useOperatorName();
  const say = useNotices((state) => state.say);
  const rebuild = useRebuild();
  const [isAsking, setAsking] = useState(false);
  return (
    <Panel title={t('system.projections')} aside={<Button size="small" onClick={() => setAsking(true)}>{t('system.rebuild')}</Button>}>
      <ul className="fact-lines">
        {projections.map((projection) => (
          <li key={projection.name}>
            <span>{projection.name}</span>
            <span>{projection.filling ? t('system.filling') : projection.lag_ms === 0 ? t('system.level') : duration(projection.lag_ms, language)}</span>
          </li>
        ))}
      </ul>
      {rebuild.error && <ProblemNote error={rebuild.error} />}
      <Question
        isOpen={isAsking}
        title={t('system.rebuild_title')}
        explain={<>{t('system.rebuild_explain')} {t('admin.recorded', { name })}</>}
        yes={t('system.rebuild')}
        isDangerous
        isBusy={rebuild.isPending}
        onNo={() => setAsking(false)}
        onYes={() =>
          rebuild.mutate(undefined, {
            onSuccess: () => say(t('system.rebuilding'), 'plain'),
            onSettled: () => setAsking(false),
          })
        }
      />
    </Panel>
  );
}

function Actions() {
  const { t } = useText();
  const { data, error } = useActions();
  if (!data) return error ? <ProblemNote error={error} /> : null;
  const rows = data.actions.map((action, index) => ({ ...action, key: String(index) }));
  return (
    <Panel title={t('system.actions')} className="below">
      <Grid
        rows={rows}
        rowKey="key"
        label={t('system.actions')}
        empty={<Empty title={t('system.actions_none')} />}
        columns={[
          { title: t('col.time'), render: (row: OperatorAction) => <Time at={row.at} detail="second" /> },
          { title: t('col.actor'), render: (row: OperatorAction) => row.actor },
          { title: t('col.action'), render: (row: OperatorAction) => <span className="mono">{row.action}</span> },
          { title: t('col.target'), render: (row: OperatorAction) => <span className="mono">{row.target}</span> },
        ]}
      />
    </Panel>
  );
}

function Readings({ readings }: Pick<SystemReport, 'readings'>) {
  const { t, language } = useText();
  const [filter, setFilter] = useState('');
  const words = filter.trim().toLowerCase().split(/\s+/);
  const rows = readings
    .map(({ name, labels, value }) => ({ key: `${name}${JSON.stringify(labels)}`, name, labels: Object.values(labels).join(' '), value }))
    .filter((row) => words.every((word) => `${row.name} ${row.labels}`.toLowerCase().includes(word)));
  type Row = (typeof rows)[number];
  return (
    <Panel title={t('system.metrics')} className="below" aside={<Input className="metrics-filter" value={filter} allowClear placeholder={t('system.filter')} aria-label={t('system.filter')} onChange={(event) => setFilter(event.target.value)} />}>
      <p className="quiet panel-explain">{t('system.metrics_explain')}</p>
      <Grid
        rows={rows}
        rowKey="key"
        label={t('system.metrics')}
        empty={<Empty title={t('common.none')} />}
        columns={[
          { title: t('col.name'), render: (row: Row) => <span className="mono">{row.name}</span> },
          { title: '', render: (row: Row) => <span className="mono quiet">{row.labels}</span> },
          { title: t('col.quantity'), align: 'right' as const, render: (row: Row) => <span className="money">{Number.isInteger(row.value) ? count(row.value, language) : row.value.toPrecision(4)}</span> },
        ]}
      />
    </Panel>
  );
}
