// Whether the books agree: /admin/books
import { Button } from 'antd';
import { useState } from 'react';
import { canRepair, useAudit, useOperatorName } from '@/features/admin/queries';
import { useText } from '@/i18n';
import { count } from '@/i18n/format';
import { Question } from '@/ui/dialog';
import { CheckIcon, WarnIcon } from '@/ui/icons';
import { ProblemNote } from '@/ui/problem-note';
import { PageHead, Panel } from '@/ui/small';

export function Component() {
  const { t, language } = useText();
  const name = useOperatorName();
  const audit = useAudit();
  const [isAsking, setAsking] = useState(false);
  const report = audit.data;
  const isGood = report?.differences_found === 0;
  return (
    <main className="page">
      <PageHead title={t('books.title')} aside={<Button type="primary" loading={audit.isPending} onClick={() => audit.mutate(false)}>{t(report ? 'books.again' : 'books.run')}</Button>}>
        {t('books.explain')}
      </PageHead>
      {audit.error && <ProblemNote error={audit.error} />}
      {report && (
        <Panel>
          <p className={isGood ? 'verdict' : 'verdict verdict-bad'} role="status">
            {isGood ? <CheckIcon /> : <WarnIcon />} {isGood ? t('books.good') : t('books.bad', { count: report.differences_found })}
          </p>
          <dl className="figures figures-inside">
            <div className="figure"><dt>{t('books.orders')}</dt><dd>{count(report.orders, language)}</dd></div>
            <div className="figure"><dt>{t('books.products')}</dt><dd>{count(report.products, language)}</dd></div>
            <div className="figure"><dt>{t('books.in_flight')}</dt><dd>{count(report.messages_in_flight, language)}</dd></div>
            <div className="figure"><dt>{t('books.cut')}</dt><dd>{count(report.cut, language)}</dd></div>
          </dl>
          {report.differences.length > 0 && (
            <>
              <h2>{t('books.differences')}</h2>
              <ul className="differences">
                {report.differences.map((difference, index) => <li key={index} className="mono">{typeof difference === 'string' ? difference : JSON.stringify(difference)}</li>)}
              </ul>
              {canRepair ? <Button danger onClick={() => setAsking(true)}>{t('books.repair')}</Button> : <p className="quiet">{t('books.repair_cli')}</p>}
            </>
          )}
        </Panel>
      )}
      <Question
        isOpen={isAsking}
        title={t('books.repair_title')}
        explain={<>{t('books.repair_explain')} {t('admin.recorded', { name })}</>}
        yes={t('books.repair')}
        isDangerous
        onNo={() => setAsking(false)}
        onYes={() => {
          setAsking(false);
          audit.mutate(true);
        }}
      />
    </main>
  );
}
