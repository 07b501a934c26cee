// The smallest pieces: amounts, times, states, empty places, headings, the light that says whether a page is live.
import { Skeleton } from 'antd';
import { useEffect, type ReactNode } from 'react';
import type { LiveState } from '@/api/live';
import { useText } from '@/i18n';
import { money, time, type Money as Amount } from '@/i18n/format';
import { statusWord } from './history-words';

export function Money({ amount }: { amount: Amount }) {
  const { language } = useText();
  return <span className="money">{money(amount, language)}</span>;
}

export function Time({ at, detail = 'minute' }: { at: string; detail?: 'minute' | 'second' }) {
  const { language } = useText();
  return (
    <time dateTime={at} title={time(at, language, 'full')} className="time">
      {time(at, language, detail)}
    </time>
  );
}

export function Status({ status }: { status: string }) {
  const { t } = useText();
  return <span className={`status status-${status}`}>{statusWord(status, t)}</span>;
}

export function Empty({ title, next, action }: { title: string; next?: string; action?: ReactNode }) {
  return (
    <div className="empty">
      <svg viewBox="0 0 96 60" width="96" height="60" aria-hidden="true" focusable="false">
        <path d="M8 50h80" className="empty-line" />
        <path d="M24 26l24-10 24 10v18L48 54 24 44z" className="empty-box" />
        <path d="M24 26l24 9 24-9M48 35v19" className="empty-line" />
      </svg>
      <p className="empty-title">{title}</p>
      {next && <p className="empty-next">{next}</p>}
      {action}
    </div>
  );
}

/** The page's heading; also names the browser's tab. */
export function PageHead({ title, aside, children }: { title: string; aside?: ReactNode; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · DOOS`;
  }, [title]);
  return (
    <header className="page-head">
      <div>
        <h1>{title}</h1>
        {children && <div className="page-lead">{children}</div>}
      </div>
      {aside && <div className="page-aside">{aside}</div>}
    </header>
  );
}

export function Panel({ title, aside, children, className = '' }: { title?: string; aside?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={`panel ${className}`} aria-label={title}>
      {(title || aside) && (
        <header className="panel-head">
          {title && <h2>{title}</h2>}
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}

export function LiveLight({ state }: { state: LiveState }) {
  const { t } = useText();
  return (
    <span className={`live live-${state}`} role="status" data-live={state}>
      <span className="live-dot" aria-hidden="true" />
      {t(`live.${state}`)}
    </span>
  );
}

export function Waiting({ rows = 4 }: { rows?: number }) {
  const { t } = useText();
  return (
    <div aria-busy="true" aria-label={t('common.loading')} role="status" className="waiting">
      <Skeleton active title={false} paragraph={{ rows }} />
    </div>
  );
}
