// A refusal as people read it: what happened, what to do next, and in small print the code and the trace to report.
import type { ReactNode } from 'react';
import { asProblem, type Problem } from '@/api/problem';
import { isKey, useText, type Translate } from '@/i18n';
import { Copyable } from './copyable';
import { WarnIcon } from './icons';

export function problemWords(problem: Problem, t: Translate): { title: string; next: string } {
  const title = `p.${problem.code}`;
  const next = `n.${problem.code}`;
  return {
    title: isKey(title) ? t(title) : (problem.body.title ?? t('p.unexpected')),
    next: isKey(next) ? t(next) : (problem.body.detail ?? t('n.unexpected')),
  };
}

interface ProblemNoteProps {
  error: unknown;
  /** What can be done about it, as buttons. */
  actions?: ReactNode;
  children?: ReactNode;
  tone?: 'alarm' | 'wait';
}

export function ProblemNote({ error, actions, children, tone = 'alarm' }: ProblemNoteProps) {
  const { t } = useText();
  const problem = asProblem(error);
  const { title, next } = problemWords(problem, t);
  const isTheirs = !['network', 'no_answer', 'unexpected'].includes(problem.code);
  return (
    <section className={`problem problem-${tone}`} role="alert">
      <span className="problem-mark"><WarnIcon /></span>
      <div className="problem-words">
        <p className="problem-title">{title}</p>
        <p>{next}</p>
        {children}
        {problem.body.errors?.map((fault) => (
          <p key={fault.pointer} className="problem-line">{t('problem.line', { pointer: fault.pointer, detail: fault.detail })}</p>
        ))}
        {actions && <div className="problem-actions">{actions}</div>}
        <p className="problem-small">
          {isTheirs ? (
            <a href={`/docs/errors/${problem.code}`} target="_blank" rel="noreferrer" title={t('problem.more')}>
              {t('problem.code', { code: problem.code })}
            </a>
          ) : (
            <span>{t('problem.code', { code: problem.code })}</span>
          )}
          {problem.traceId && <Copyable text={problem.traceId} label={t('problem.trace', { trace: problem.traceId })} />}
        </p>
      </div>
    </section>
  );
}
