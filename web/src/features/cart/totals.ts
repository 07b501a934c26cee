// Sums of a cart at today's prices, one for each currency: amounts of two currencies are never added.
import { useQueries } from '@tanstack/react-query';
import { answer, client, type Amount, type Product } from '@/api/client';
import { useLanguage } from '@/i18n';
import type { CartLine } from './cart';

export function sums(lines: CartLine[], priceOf: (line: CartLine) => Amount): Amount[] {
  const byCurrency = new Map<string, number>();
  for (const line of lines) {
    const price = priceOf(line);
    byCurrency.set(price.currency, (byCurrency.get(price.currency) ?? 0) + price.amount_minor * line.quantity);
  }
  return [...byCurrency].map(([currency, amount_minor]) => ({ currency, amount_minor }));
}

/** Today's products of the lines; those not read yet are missing. */
export function useLineProducts(lines: CartLine[]): { products: Map<string, Product>; refetch: () => Promise<void> } {
  const language = useLanguage((choice) => choice.language);
  const results = useQueries({
    queries: lines.map(({ product_id }) => ({
      queryKey: ['product', language, product_id],
      queryFn: () =>
        answer<Product>(client.GET('/v1/products/{product_id}', { params: { path: { product_id }, query: { lang: language } } })),
      staleTime: 10_000,
    })),
  });
  const found = results.flatMap(({ data }) => (data ? [data] : []));
  return {
    products: new Map(found.map((product) => [product.product_id, product])),
    refetch: async () => {
      await Promise.all(results.map((result) => result.refetch()));
    },
  };
}
