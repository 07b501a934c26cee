// What is shown when a page throws: its words, and a way on.
import { Button } from 'antd';
import { isRouteErrorResponse, useRouteError } from 'react-router';
import { useText } from '@/i18n';
import { Empty } from './small';

export function Stumbled() {
  const { t } = useText();
  const error = useRouteError();
  const words = isRouteErrorResponse(error) ? `${error.status} ${error.statusText}` : error instanceof Error ? error.message : String(error);
  return (
    <main className="page" role="alert">
      <Empty title={t('common.broken')} next={t('common.broken_next')} action={<Button onClick={() => location.reload()}>{t('common.reload')}</Button>} />
      <pre className="stumbled">{words}</pre>
    </main>
  );
}
