//! scratch
use doos_app::order::*; use doos_app::*; use doos_domain::ids::*; use doos_domain::pricing::WantedLine;
use doos_domain::catalog::*; use doos_domain::money::*; use doos_domain::actor::Actor;
use doos_ports::clock::Clock; use std::sync::Arc; use std::time::*; use doos_domain::time::Timestamp;
struct C(Instant);
#[async_trait::async_trait] impl Clock for C {
 fn now(&self)->Timestamp{ Timestamp::from_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64)}
 fn monotonic(&self)->Duration{self.0.elapsed()} async fn sleep(&self,d:Duration){tokio::time::sleep(d).await} fn random(&self)->u64{fastrand::u64(..)} }
fn main(){ let rt=tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
 rt.block_on(async { run().await }); }
async fn run(){
 let n: usize = std::env::args().nth(1).map_or(100_000,|a|a.parse().unwrap());
 let conns: usize = std::env::args().nth(2).map_or(64,|a|a.parse().unwrap());
 let roles_on = std::env::args().nth(3).is_none();
 let dir=tempfile::tempdir_in(".").unwrap();
 let running=doos_adapter_embedded::Store::open_dir(dir.path(),Default::default()).unwrap().spawn().unwrap();
 let s=running.store.clone(); let clock:Arc<dyn Clock>=Arc::new(C(Instant::now()));
 let provider=Arc::new(doos_adapter_standin::StandinProvider::new(doos_adapter_standin::ProviderOptions::with_secret("x".to_owned().into()),clock.clone()));
 let carrier=Arc::new(doos_adapter_standin::StandinCarrier::new(Default::default(),clock.clone()));
 let ports=doos_ports::Ports{clock:clock.clone(),id_marks:s.id_marks(),orders:s.orders(),outbox:s.outbox(),ledger:s.ledger(),gate:Arc::new(doos_adapter_embedded::MemoryGate::default()),bus:s.bus(),inbox:s.inbox(),feed:s.feed(),catalog:s.catalog(),identities:s.identities(),payments:s.payments(),shipments:s.shipments(),provider,carrier};
 let (app,loops)=App::start(ports,Options::default()).await.unwrap();
 for l in loops{tokio::spawn(l.run);}
 let op=Principal::Operator("x".into());
 for p in 1..=50u64 { app.seed_product(Product{id:ProductId::new(p).unwrap(),version:1,name:LocalText::plain("x"),description:Default::default(),price:Money::new(100,Currency::Cny),category:String::new(),picture:None,on_sale:true,updated_at:clock.now()}).await.unwrap();
  app.adjust_stock(&op,ProductId::new(p).unwrap(),stock::Adjustment::Receive{quantity:100_000_000},None,None,|_,_|String::new()).await.map(|_|()).unwrap(); }
 app.rebuild_gate().await.unwrap();
 if roles_on { for r in doos_roles::ALL { if r=="deliveries"{continue} tokio::spawn(doos_roles::drive(doos_roles::build(r,&app).unwrap(),clock.clone(),std::future::pending())); } }
 let t=Instant::now(); let mut hs=vec![];
 for c in 0..conns { let app=app.clone(); hs.push(tokio::spawn(async move { for i in 0..n/conns { let u=UserId::new((c*1_000_000+i+1) as u64).unwrap();
   app.place(PlaceOrder{user_id:u,actor:Actor::Customer(u),lines:vec![WantedLine{product_id:ProductId::new((i%50+1) as u64).unwrap(),quantity:1,seen_price:None}],address:Some("somewhere".into()),coupon:None,key:Some(keys::Key::try_new(u.to_string(),"k",1).unwrap()),trace:None,render:|o|serde_json::to_string(o).unwrap()}).await.map(|_|()).unwrap(); } })); }
 for h in hs{h.await.unwrap();}
 println!("placed {n} in {:?}: {:.0}/s depths {:?}",t.elapsed(),n as f64/t.elapsed().as_secs_f64(), s.depths());
 if roles_on { loop { let lag=app.ports.bus.lag(doos_domain::message::Consumer::Order).await.unwrap()+app.ports.bus.lag(doos_domain::message::Consumer::Inventory).await.unwrap(); if lag==0 {break} tokio::time::sleep(Duration::from_millis(20)).await; } println!("confirmed all after {:?}: {:.0}/s {:?}",t.elapsed(),n as f64/t.elapsed().as_secs_f64(), s.depths()); }
 while s.depths().tail_orders>0 { tokio::time::sleep(Duration::from_millis(20)).await; } println!("folded after {:?} {:?}",t.elapsed(), s.depths());
}
