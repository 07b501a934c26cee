// Any address that has no page.
import { Link } from 'react-router';
import { useText } from '@/i18n';
import { Empty, PageHead } from '@/ui/small';

export function Component() {
  const { t } = useText();
  return (
    <main className="page">
      <PageHead title={t('common.not_here')} />
      <Empty title={t('common.not_here')} next={t('common.not_here_next')} action={<Link className="button-link" to="/products">{t('common.to_shop')}</Link>} />
    </main>
  );
}
