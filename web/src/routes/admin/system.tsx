// How the node is doing: /admin/system
import { Button, Input } from 'antd';
import { useState } from 'react';
import type { SystemReport } from '@/api/shapes';
import { useOperatorName, useRebuild, useSystem } from '@/features/admin/queries';
import { isKey, useText } from '@/i18n';
import { count, duration, milliseconds } from '@/i18n/format';
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
      <PageHead title={t('system.title')}>{system && <>{system.profile} · {system.version} {system.commit} · {t('system.started')} <Time at={system.started_at} detail="second" /></>}</PageHead>
      {error && <ProblemNote error={error} />}
      {!system && !error && <Waiting rows={8} />}
      {system && (
        <>
          <dl className="figures">
            <div className="figure"><dt>{t('system.holds')}</dt><dd>{count(system.holds, language)}</dd></div>
            <div className="figure"><dt>{t('system.streams')}</dt><dd>{count(system.streams, language)}</dd></div>
            <div className="figure"><dt>{t('system.letters')}</dt><dd>{count(system.dead_letters, language)}</dd></div>
          </dl>
          <Roles roles={system.roles} />
          <div className="three-columns below">
            <Disk disk={system.disk} />
            <Queues queues={system.queues} />
            <Projections projections={system.projections} />
          </div>
          <Readings readings={system.readings} />
        </>
      )}
    </main>
  );
}

type Role = SystemReport['roles'][number];

function RoleState({ role }: { role: Role }) {
  const { t } = useText();
  const key = `role.${role.state}`;
  return (
    <span className={`role-state role-${role.state}`}>
      {isKey(key) ? t(key) : role.state}
      {role.since && <span className="quiet"> {t('role.since')} <Time at={role.since} detail="second" /></span>}
    </span>
  );
}

function LastFailure({ role }: { role: Role }) {
  const failure = role.last_failure;
  if (!failure) return <span className="quiet">–</span>;
  return <span className="cause"><Time at={failure.at} detail="second" /> <span className="mono">{failure.code}</span> {failure.cause}</span>;
}

function Roles({ roles }: Pick<SystemReport, 'roles'>) {
  const { t, language } = useText();
  const number = (value: number | null | undefined) => (value === null || value === undefined ? '–' : count(value, language));
  return (
    <Panel title={t('system.roles')}>
      <Grid
        rows={roles}
        rowKey="name"
        label={t('system.roles')}
        empty={t('common.none')}
        rowClassName={(role) => (role.state === 'failing' ? 'row-gone' : '')}
        columns={[
          { title: t('col.name'), render: (role: Role) => role.name },
          { title: t('col.state'), render: (role: Role) => <RoleState role={role} /> },
          { title: t('col.lag'), align: 'right' as const, render: (role: Role) => number(role.lag) },
          { title: t('col.waiting'), align: 'right' as const, render: (role: Role) => number(role.waiting) },
          { title: t('col.last_failure'), render: (role: Role) => <LastFailure role={role} /> },
        ]}
      />
    </Panel>
  );
}

function Disk({ disk }: Pick<SystemReport, 'disk'>) {
  const { t, language } = useText();
  const measured = [
    ['p50', disk.commit_ms_p50],
    ['p95', disk.commit_ms_p95],
    ['p99', disk.commit_ms_p99],
    [t('system.disk_max'), disk.commit_ms_max],
  ] as const;
  return (
    <Panel title={t('system.disk')}>
      <p className="quiet panel-explain">{disk.commits_measured === 0 ? t('system.disk_none') : t('system.disk_explain', { count: count(disk.commits_measured, language) })}</p>
      <ul className="fact-lines">
        {disk.commits_measured > 0 && measured.map(([name, ms]) => <li key={name}><span>{name}</span><span className="money">{milliseconds(ms, language)}</span></li>)}
        <li><span>{t('system.commit_len')}</span><span className="money">{count(disk.commit_len_last, language)}</span></li>
      </ul>
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
