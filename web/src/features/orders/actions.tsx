// The buttons of an order, with the questions before what cannot be undone.
import { Button } from 'antd';
import { useState } from 'react';
import type { Order } from '@/api/client';
import { useText } from '@/i18n';
import { money } from '@/i18n/format';
import { Question } from '@/ui/dialog';
import { useNotices } from '@/ui/notices';
import { ProblemNote } from '@/ui/problem-note';
import { movesFrom } from './groups';
import { useMove, type MoveVerb } from './moves';

const doneWords = { pay: 'orders.paid_now', cancel: 'orders.cancelled_now', return: 'orders.returned_now' } as const;

export function OrderActions({ order }: { order: Order }) {
  const { t, language } = useText();
  const say = useNotices((state) => state.say);
  const move = useMove(order.order_id);
  const [asked, setAsked] = useState<'cancel' | 'return' | null>(null);
  const { canPay, canCancel, canReturn } = movesFrom(order.status);
  const total = money(order.total, language);
  const go = (verb: MoveVerb) =>
    move.mutate(verb, {
      onSuccess: ({ isOpen }) => say(t(isOpen ? 'orders.paying' : doneWords[verb]), isOpen ? 'plain' : 'good'),
      onSettled: () => setAsked(null),
    });
  if (!canPay && !canCancel && !canReturn && !move.error) return null;
  return (
    <div className="order-actions">
      {move.error && <ProblemNote error={move.error} actions={<Button size="small" onClick={() => move.reset()}>{t('common.close')}</Button>} />}
      <div className="buttons">
        {canCancel && <Button disabled={move.isPending} onClick={() => setAsked('cancel')}>{t('orders.cancel')}</Button>}
        {canReturn && <Button disabled={move.isPending} onClick={() => setAsked('return')}>{t('orders.return')}</Button>}
        {canPay && (
          <Button type="primary" loading={move.isPending && move.variables === 'pay'} onClick={() => go('pay')}>
            {t('orders.pay_amount', { total })}
          </Button>
        )}
      </div>
      <Question
        title={t('orders.cancel_title')}
        explain={t('orders.cancel_explain')}
        yes={t('orders.cancel_yes')}
        no={t('orders.keep')}
        isDangerous
        isBusy={move.isPending}
        isOpen={asked === 'cancel'}
        onYes={() => go('cancel')}
        onNo={() => setAsked(null)}
      />
      <Question
        title={t('orders.return_title')}
        explain={t('orders.return_explain', { total })}
        yes={t('orders.return_yes')}
        no={t('orders.keep')}
        isBusy={move.isPending}
        isOpen={asked === 'return'}
        onYes={() => go('return')}
        onNo={() => setAsked(null)}
      />
    </div>
  );
}
