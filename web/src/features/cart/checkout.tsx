// The last step before an order: where to, what, for how much. Every refusal says what to do next and offers it.
import { Button, Input } from 'antd';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { Order } from '@/api/client';
import { asProblem, type Problem } from '@/api/problem';
import { useText } from '@/i18n';
import { money } from '@/i18n/format';
import { ProblemNote } from '@/ui/problem-note';
import { TextArea } from '@/ui/text-area';
import { Money, Panel } from '@/ui/small';
import { Quantity } from '@/ui/quantity';
import type { CartLine } from './cart';
import { place } from './place';
import { sums, useLineProducts } from './totals';

interface CheckoutProps {
  user: string;
  lines: CartLine[];
  onLines: (lines: CartLine[]) => void;
  onPlaced: (order: Order) => void;
}

const addressKey = (user: string) => `doos.address.${user}`;

export function Checkout({ user, lines, onLines, onPlaced }: CheckoutProps) {
  const { t, language } = useText();
  const queries = useQueryClient();
  const [address, setAddress] = useState(() => localStorage.getItem(addressKey(user)) ?? '');
  const [coupon, setCoupon] = useState('');
  const { products, refetch } = useLineProducts(lines);
  const nameOf = (id: string) => products.get(id)?.name ?? `#${id}`;
  const totals = sums(lines, (line) => line.seen);
  const total = totals.map((amount) => money(amount, language)).join(' + ');

  const placing = useMutation({
    mutationFn: (changed: { lines?: CartLine[]; coupon?: string }) =>
      place({ user, lines: changed.lines ?? lines, address, coupon: changed.coupon ?? coupon }),
    onSuccess: (order) => {
      localStorage.setItem(addressKey(user), address.trim());
      void queries.invalidateQueries({ queryKey: ['orders'] });
      onPlaced(order);
    },
    onError: () => void refetch(),
  });
  const problem = placing.error ? asProblem(placing.error) : null;
  const seconds = useSecondsLeft(problem);

  const takeWhatIsThere = () => {
    const short = new Map(problem?.body.lines?.map((line) => [line.product_id, line.free]));
    onLines(
      lines
        .map((line) => ({ ...line, quantity: Math.min(line.quantity, short.get(line.product_id) ?? line.quantity) }))
        .filter((line) => line.quantity > 0),
    );
    placing.reset();
  };
  const takeNewPrices = () => {
    onLines(lines.map((line) => ({ ...line, seen: products.get(line.product_id)?.price ?? line.seen })));
    placing.reset();
  };
  const withoutCoupon = () => {
    setCoupon('');
    placing.reset();
  };

  return (
    <form
      className="checkout"
      onSubmit={(event) => {
        event.preventDefault();
        placing.mutate({});
      }}
    >
      <Panel title={t('checkout.address')}>
        <label className="field">
          <span className="visually-hidden">{t('checkout.address')}</span>
          <TextArea
            value={address}
            maxLength={1000}
            autoComplete="street-address"
            onChange={(event) => setAddress(event.target.value)}
          />
          <small>{t('checkout.address_hint')}</small>
        </label>
        <label className="field field-short">
          <span>{t('checkout.coupon')}</span>
          <Input value={coupon} maxLength={64} autoComplete="off" onChange={(event) => setCoupon(event.target.value)} />
          <small>{t('checkout.coupon_hint')}</small>
        </label>
      </Panel>
      <Panel title={t('checkout.summary')} className="checkout-summary">
        <ul className="summary-lines">
          {lines.map((line) => (
            <li key={line.product_id}>
              <SmallPicture path={products.get(line.product_id)?.picture} />
              <span>{nameOf(line.product_id)}</span>
              <Quantity
                value={line.quantity}
                label={`${t('common.quantity')}: ${nameOf(line.product_id)}`}
                onChange={(quantity) => onLines(lines.map((each) => (each === line ? { ...each, quantity } : each)))}
              />
              <Money amount={{ ...line.seen, amount_minor: line.seen.amount_minor * line.quantity }} />
            </li>
          ))}
        </ul>
        <p className="summary-total">
          <span>{t('cart.total')}</span>
          <strong className="money">{total}</strong>
        </p>
        {problem && (
          <ProblemNote
            error={problem}
            tone={problem.isWorthRepeating ? 'wait' : 'alarm'}
            actions={
              <>
                {problem.code === 'out_of_stock' && problem.body.lines && <Button onClick={takeWhatIsThere}>{t('checkout.drop_short')}</Button>}
                {problem.code === 'price_changed' && <Button onClick={takeNewPrices}>{t('checkout.new_prices')}</Button>}
                {problem.code === 'coupon_unknown' && <Button onClick={withoutCoupon}>{t('checkout.without_coupon')}</Button>}
              </>
            }
          >
            {problem.isUnclear && <p>{t('checkout.unclear')}</p>}
            {problem.body.lines?.map((line) => (
              <p key={line.product_id} className="problem-line">
                {t('checkout.short_line', { name: nameOf(line.product_id), wanted: line.wanted, free: line.free })}
              </p>
            ))}
          </ProblemNote>
        )}
        <Button type="primary" size="large" block htmlType="submit" loading={placing.isPending} disabled={seconds > 0 || lines.length === 0}>
          {placing.isPending
            ? t('checkout.placing')
            : seconds > 0
              ? t('checkout.wait', { seconds })
              : problem?.isUnclear
                ? t('checkout.again')
                : t('checkout.place', { total })}
        </Button>
        <p className="fine-print">{t('checkout.promise')}</p>
      </Panel>
    </form>
  );
}

function SmallPicture({ path }: { path: string | null | undefined }) {
  return path ? <img src={path} alt="" width={52} height={39} /> : <span className="picture-none" aria-hidden="true" />;
}

/** Counts down what the server asked us to wait. */
function useSecondsLeft(problem: Problem | null): number {
  const [left, setLeft] = useState(0);
  const seen = useRef<Problem | null>(null);
  useEffect(() => {
    if (seen.current !== problem) {
      seen.current = problem;
      setLeft(Math.min(60, Math.ceil(problem?.retryAfterSeconds ?? 0)));
    }
    const timer = setInterval(() => setLeft((seconds) => Math.max(0, seconds - 1)), 1000);
    return () => clearInterval(timer);
  }, [problem]);
  return left;
}
