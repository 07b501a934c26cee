// Whether the books agree, and what would make them agree: /admin/books
import { Button } from 'antd';
import type { AuditReport, RepairStep } from '@/api/shapes';
import { useAudit, useOperatorName, useRepair } from '@/features/admin/queries';
import { isKey, useText } from '@/i18n';
import { count } from '@/i18n/format';
import { Question } from '@/ui/dialog';
import { CheckIcon, WarnIcon } from '@/ui/icons';
import { useNotices } from '@/ui/notices';
import { ProblemNote } from '@/ui/problem-note';
import { PageHead, Panel } from '@/ui/small';

export function Component() {
  const { t } = useText();
  const name = useOperatorName();
  const say = useNotices((state) => state.say);
  const audit = useAudit();
  // A dry run first: what is confirmed is what was shown.
  const plan = useRepair();
  const repair = useRepair();
  const report = repair.data?.report ?? audit.data;
  const steps = plan.data?.steps ?? [];
  const prove = () => {
    repair.reset();
    audit.mutate();
  };
  const confirm = () =>
    repair.mutate(true, {
      onSuccess: ({ steps: done }) => {
        plan.reset();
        const count = done.filter((step) => step.outcome === 'done').length;
        say(t('books.repaired', { done: count, skipped: done.length - count }), count === done.length ? 'good' : 'plain');
      },
    });
  return (
    <main className="page">
      <PageHead title={t('books.title')} aside={<Button type="primary" loading={audit.isPending} onClick={prove}>{t(report ? 'books.again' : 'books.run')}</Button>}>
        {t('books.explain')}
      </PageHead>
      {audit.error && <ProblemNote error={audit.error} />}
      {plan.error && <ProblemNote error={plan.error} />}
      {report && (
        <Panel>
          <Verdict report={report} />
          {report.differences.length > 0 && <Button danger loading={plan.isPending} onClick={() => plan.mutate(false)}>{t('books.plan')}</Button>}
          {repair.data && <Steps title={t('books.done')} steps={repair.data.steps} />}
        </Panel>
      )}
      <Question
        isOpen={plan.data !== undefined}
        title={t(steps.length > 0 ? 'books.repair_title' : 'books.nothing_title', { count: steps.length })}
        explain={steps.length > 0 ? <>{t('books.repair_explain')} {t('admin.recorded', { name })}</> : t('books.nothing_explain')}
        yes={t(steps.length > 0 ? 'books.repair' : 'common.close')}
        isDangerous={steps.length > 0}
        isBusy={repair.isPending}
        onNo={() => {
          repair.reset();
          plan.reset();
        }}
        onYes={() => (steps.length > 0 ? confirm() : plan.reset())}
      >
        {steps.length > 0 && <Steps title={t('books.would')} steps={steps} />}
        {repair.error && <ProblemNote error={repair.error} />}
      </Question>
    </main>
  );
}

function Verdict({ report }: { report: AuditReport }) {
  const { t, language } = useText();
  const isGood = report.differences_found === 0;
  return (
    <>
      <p className={isGood ? 'verdict' : 'verdict verdict-bad'} role="status">
        {isGood ? <CheckIcon /> : <WarnIcon />} {isGood ? t('books.good') : t('books.bad', { count: report.differences_found })}
      </p>
      <dl className="figures figures-inside">
        <div className="figure"><dt>{t('books.orders')}</dt><dd>{count(report.orders, language)}</dd></div>
        <div className="figure"><dt>{t('books.products')}</dt><dd>{count(report.products, language)}</dd></div>
        <div className="figure"><dt>{t('books.in_flight')}</dt><dd>{count(report.messages_in_flight, language)}</dd></div>
        <div className="figure"><dt>{t('books.cut')}</dt><dd>{count(report.cut, language)}</dd></div>
      </dl>
      {!isGood && (
        <>
          <h2>{t('books.differences')}</h2>
          <ul className="differences" tabIndex={0} aria-label={t('books.differences')}>
            {report.differences.map((difference, index) => (
              <li key={index} className="mono"><strong>{difference.subject}</strong> {difference.rule}: {difference.found}</li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function Steps({ title, steps }: { title: string; steps: RepairStep[] }) {
  const { t } = useText();
  const word = (step: RepairStep) => {
    const key = `books.step_${step.outcome}`;
    return isKey(key) ? t(key) : step.outcome;
  };
  return (
    <>
      <h2 className="steps-title">{title}</h2>
      <ul className="differences" tabIndex={0} aria-label={title}>
        {steps.map((step) => <li key={step.subject} className="mono"><strong>{step.subject}</strong> {word(step)}: {step.told}</li>)}
      </ul>
    </>
  );
}
