// Every address and its page. The shop comes with the first load; everything else when it is asked for.
import { createBrowserRouter, Navigate } from 'react-router';
import { Stumbled } from '@/ui/boundary';
import { ProductsPage } from './products';
import { Shell } from './shell';

export const router = createBrowserRouter([
  {
    element: <Shell />,
    errorElement: <Stumbled />,
    hydrateFallbackElement: <div className="shell" aria-busy="true" />,
    children: [
      {
        errorElement: <Stumbled />,
        children: [
          { path: '/', element: <Navigate to="/products" replace /> },
          { path: '/products', element: <ProductsPage /> },
          { path: '/products/:id', lazy: () => import('./product') },
          { path: '/cart', lazy: () => import('./cart') },
          { path: '/checkout', lazy: () => import('./checkout') },
          { path: '/orders', lazy: () => import('./orders') },
          { path: '/orders/:id', lazy: () => import('./order') },
          { path: '/dashboard', lazy: () => import('./dashboard') },
          {
            path: '/admin',
            lazy: () => import('./admin/console'),
            children: [
              { index: true, element: <Navigate to="/admin/orders" replace /> },
              { path: 'orders', lazy: () => import('./admin/orders') },
              { path: 'orders/:id', lazy: () => import('./admin/order') },
              { path: 'stock', lazy: () => import('./admin/stock') },
              { path: 'dead-letters', lazy: () => import('./admin/dead-letters') },
              { path: 'products', lazy: () => import('./admin/products') },
              { path: 'books', lazy: () => import('./admin/books') },
              { path: 'actions', lazy: () => import('./admin/actions') },
              { path: 'system', lazy: () => import('./admin/system') },
            ],
          },
          { path: '*', lazy: () => import('./not-found') },
        ],
      },
    ],
  },
]);
