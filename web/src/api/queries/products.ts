// Reading the catalogue. Names and prices are needed everywhere, so the first pages are kept and shared.
import { useInfiniteQuery, useQuery, useQueryClient, type InfiniteData } from '@tanstack/react-query';
import { useLanguage } from '@/i18n';
import { answer, client, type Product } from '../client';

export interface ProductFilter {
  q?: string;
  category?: string;
}

interface Page {
  products: Product[];
  next_page_token: string;
}

const PAGE_SIZE = 100;

export function useProducts({ q, category }: ProductFilter) {
  const language = useLanguage((choice) => choice.language);
  return useInfiniteQuery({
    queryKey: ['products', language, q ?? '', category ?? ''],
    queryFn: ({ pageParam, signal }) =>
      answer<Page>(
        client.GET('/v1/products', {
          params: {
            query: { q: q || undefined, category: category || undefined, lang: language, page_size: PAGE_SIZE, page_token: pageParam || undefined },
          },
          signal,
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_page_token || undefined,
    placeholderData: (before) => before,
    staleTime: 5_000,
    refetchInterval: 15_000,
  });
}

export function useProduct(id: string) {
  const language = useLanguage((choice) => choice.language);
  const queries = useQueryClient();
  return useQuery<Product>({
    queryKey: ['product', language, id],
    queryFn: ({ signal }) =>
      answer<Product>(client.GET('/v1/products/{product_id}', { params: { path: { product_id: id }, query: { lang: language } }, signal })),
    // Whatever list has it already shows it at once; what is then read replaces it.
    placeholderData: () =>
      queries
        .getQueriesData<InfiniteData<Page>>({ queryKey: ['products', language] })
        .flatMap(([, data]) => data?.pages ?? [])
        .flatMap((page) => page.products)
        .find((product) => product.product_id === id),
    staleTime: 10_000,
  });
}

/** The product's name, or its number while the name is not known. */
export function useProductName(id: string): string {
  return useProduct(id).data?.name ?? `#${id}`;
}
