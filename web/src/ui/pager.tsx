// Forward and back through keyset pages. The tokens of the pages behind are remembered, since a keyset knows only ahead.
import { Button } from 'antd';
import { useText } from '@/i18n';

interface PagerProps {
  /** Tokens of the pages before this one and of this one; the first page has none. */
  trail: string[];
  next: string;
  onGo: (trail: string[]) => void;
}

export function Pager({ trail, next, onGo }: PagerProps) {
  const { t } = useText();
  if (trail.length === 0 && !next) return null;
  return (
    <nav className="pager" aria-label={t('common.page', { page: trail.length + 1 })}>
      <Button disabled={trail.length === 0} onClick={() => onGo(trail.slice(0, -1))}>{t('common.previous')}</Button>
      <span>{t('common.page', { page: trail.length + 1 })}</span>
      <Button disabled={!next} onClick={() => onGo([...trail, next])}>{t('common.next')}</Button>
    </nav>
  );
}
