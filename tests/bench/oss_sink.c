// A fast OSS-shaped sink for uncapped upload benchmarks: accepts InitiateMultipartUpload, UploadPart, PutObject, CompleteMultipartUpload
// and AbortMultipartUpload on any bucket and key, computes the real CRC-64/XZ of every body and of every object put together from parts,
// keeps sizes and checksums, and what is small; checks that there is a signature, and not which. GetObject returns what is small.
// It is no stand-in for OSS (that is bot/sandbox): it is only never the bottleneck. With port 0 the system chooses; the port in use is printed.
// Build:  cc -O2 -o oss_sink oss_sink.c -llzma -lssl -lcrypto -lpthread      (Debian: gcc liblzma-dev libssl-dev)
// Run:    ./oss_sink PORT LATENCY_MS BYTES_PER_SECOND_PER_CONNECTION [CERT KEY]     (0 = none)
// Ask:    GET /__stats -> connections, requests and bytes of bodies since the last time it was asked
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdint.h>
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <lzma.h>
#include <openssl/ssl.h>
static int lat_ms; static double cap; static SSL_CTX*ctx; static long nconn,nreq,nbytes; static int docrc=1;

// Objects by key: the size and the CRC of every part, in their order.
#define PARTS 10001
#define SMALL 4096
typedef struct O {struct O*next; char*key; char small[SMALL]; size_t kept; uint64_t crc[PARTS],size[PARTS];} O;
static O*objects; static pthread_mutex_t lock=PTHREAD_MUTEX_INITIALIZER;
static O*object(const char*req,int anew){ // The key is what is between the method and the query or the version.
  const char*k=strchr(req,' '); if(!k) return 0; size_t n=strcspn(++k,"? "); O*o;
  for(o=objects;o&&(strncmp(o->key,k,n)||o->key[n]);o=o->next);
  if(!o&&anew){ o=calloc(1,sizeof*o); o->key=strndup(k,n); o->next=objects; objects=o; }
  return o; }
// CRC of two texts in a row from theirs: the first is moved on by as many zero bits as the second has (zlib's crc32_combine).
static uint64_t times(const uint64_t*m,uint64_t v){uint64_t s=0; for(;v;v>>=1,m++) if(v&1) s^=*m; return s;}
static uint64_t combine(uint64_t a,uint64_t b,uint64_t size){ uint64_t m[64],q[64]; int i; m[0]=0xC96C5795D7870F42ULL;
  for(i=1;i<64;i++) m[i]=1ULL<<(i-1);
  for(size*=8;size;size>>=1){ if(size&1) a=times(m,a); for(i=0;i<64;i++) q[i]=times(m,m[i]); memcpy(m,q,sizeof m); }
  return a^b; }
static uint64_t whole(O*o,uint64_t*size){ uint64_t crc=0; *size=0; for(int i=0;o&&i<PARTS;i++) if(o->size[i]){ crc=*size?combine(crc,o->crc[i],o->size[i]):o->crc[i]; *size+=o->size[i]; } return crc; }
static double now(){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec*1e-9;}
static void nsleep(double s){ if(s<=0)return; struct timespec t={(time_t)s,(long)((s-(time_t)s)*1e9)}; nanosleep(&t,0);}
typedef struct {int fd; SSL*ssl; char*buf; size_t len,pos,capn; double tb,t0;} C;
#define BUFN (256*1024)
static ssize_t fill(C*c){ size_t want=BUFN; if(cap>0) want=16384;
  ssize_t n; if(c->ssl) n=SSL_read(c->ssl,c->buf,want); else n=recv(c->fd,c->buf,want,0);
  if(n<=0) return n; c->pos=0;c->len=n;
  if(cap>0){ double t=now(); if(c->tb < t-0.05) c->tb=t-0.05; c->tb += n/cap; if(c->tb>t) nsleep(c->tb-t);} 
  return n;}
static int getc_(C*c){ if(c->pos>=c->len) if(fill(c)<=0) return -1; return (unsigned char)c->buf[c->pos++]; }
static int line(C*c,char*o,int n){int i=0,ch; while((ch=getc_(c))>=0){ if(ch=='\n'){ if(i&&o[i-1]=='\r')i--; o[i]=0; return i;} if(i<n-1)o[i++]=ch;} return -1;}
static int body(C*c,uint64_t left,uint64_t*crc,char*keep,size_t keepn,size_t*kept){
  while(left){ if(c->pos>=c->len) if(fill(c)<=0) return -1; size_t n=c->len-c->pos; if(n>left)n=left; if(keep&&*kept+n<=keepn){ memcpy(keep+*kept,c->buf+c->pos,n); *kept+=n; } if(docrc)*crc=lzma_crc64((uint8_t*)c->buf+c->pos,n,*crc); c->pos+=n; left-=n; } return 0;}
static void put(C*c,const char*s,size_t n){ while(n){ ssize_t w=c->ssl?SSL_write(c->ssl,s,n):send(c->fd,s,n,MSG_NOSIGNAL); if(w<=0)return; s+=w;n-=w; } }
static void*conn(void*a){ C c={0}; c.fd=(int)(intptr_t)a; c.buf=malloc(BUFN); int one=1; setsockopt(c.fd,IPPROTO_TCP,TCP_NODELAY,&one,sizeof one);
  __sync_fetch_and_add(&nconn,1);
  if(ctx){ c.ssl=SSL_new(ctx); SSL_set_fd(c.ssl,c.fd); if(SSL_accept(c.ssl)<=0) goto out; }
  char l[8192], req[8192], resp[4096], small[SMALL], date[64];
  for(;;){ int n=line(&c,req,sizeof req); if(n<=0) break; uint64_t cl=0; size_t kept=0; int chunked=0, exp=0, is_signed=!!strstr(req,"ignature=");
    while((n=line(&c,l,sizeof l))>0){ if(!strncasecmp(l,"content-length:",15)) cl=strtoull(l+15,0,10); else if(!strncasecmp(l,"transfer-encoding:",18)&&strcasestr(l,"chunked")) chunked=1; else if(!strncasecmp(l,"expect:",7)) exp=1; else if(!strncasecmp(l,"authorization:",14)) is_signed=1; }
    if(n<0)break; __sync_fetch_and_add(&nreq,1);
    __sync_fetch_and_add(&nbytes,(long)cl);
    if(exp) put(&c,"HTTP/1.1 100 Continue\r\n\r\n",25);
    uint64_t crc=0; 
    if(chunked){ for(;;){ if(line(&c,l,sizeof l)<0) goto out; uint64_t k=strtoull(l,0,16); if(k==0){ while(line(&c,l,sizeof l)>0); break;} if(body(&c,k,&crc,0,0,0)) goto out; line(&c,l,sizeof l);} }
    else if(body(&c,cl,&crc,small,SMALL,&kept)) goto out;
    pthread_mutex_lock(&lock); uint64_t size=0, all=crc; const char*pn=strstr(req,"partNumber=");
    if(!strncmp(req,"PUT",3)){ O*o=object(req,1); int at=pn?atoi(pn+11):0; if(!pn) memset(o->size,0,sizeof o->size); o->crc[at%PARTS]=crc; o->size[at%PARTS]=cl; o->kept=kept; memcpy(o->small,small,kept); }
    else if(!strncmp(req,"GET",3)){ O*o=object(req,0); kept=o?o->kept:0; if(o) memcpy(small,o->small,kept); }
    else if(!strncmp(req,"POST",4)&&strstr(req,"uploads")){ O*o=object(req,1); memset(o->size,0,sizeof o->size); }
    else all=whole(object(req,0),&size);
    pthread_mutex_unlock(&lock);
    if(lat_ms) nsleep(lat_ms/1000.0);
    char xml[1024]; xml[0]=0; const char*st="200 OK"; char extra[512]; extra[0]=0; const char*ct="application/xml";
    if(strstr(req,"__stats")){ snprintf(xml,sizeof xml,"conns=%ld reqs=%ld bytes=%ld",nconn,nreq,nbytes); nconn=nreq=nbytes=0; }
    else if(!strncmp(req,"POST",4)&&strstr(req,"uploads")) snprintf(xml,sizeof xml,"<?xml version=\"1.0\" encoding=\"UTF-8\"?><InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>0004B9894A22E5B1888A1E29F823E2D1</UploadId></InitiateMultipartUploadResult>");
    else if(!strncmp(req,"HEAD",4)) snprintf(extra,sizeof extra,"ETag: \"X\"\r\nx-oss-hash-crc64ecma: %lu\r\n",(unsigned long)all);
    else if(!strncmp(req,"POST",4)) snprintf(extra,sizeof extra,"x-oss-hash-crc64ecma: %lu\r\n",(unsigned long)all), snprintf(xml,sizeof xml,"<?xml version=\"1.0\" encoding=\"UTF-8\"?><CompleteMultipartUploadResult><Location>x</Location><Bucket>b</Bucket><Key>k</Key><ETag>\"X-1\"</ETag></CompleteMultipartUploadResult>");
    else if(!strncmp(req,"PUT",3)) snprintf(extra,sizeof extra,"ETag: \"%016lX\"\r\nx-oss-hash-crc64ecma: %lu\r\n",(unsigned long)crc,(unsigned long)crc);
    else if(!strncmp(req,"DELETE",6)) st="204 No Content";
    else if(!strncmp(req,"GET",3)&&!strstr(req,"__stats")&&(!is_signed||!kept)){ st=is_signed?"404 Not Found":"403 Forbidden"; snprintf(xml,sizeof xml,"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>%s</Code><Message>No.</Message></Error>",is_signed?"NoSuchKey":"AccessDenied"); kept=0; }
    if(strncmp(req,"GET",3)) kept=0;
    time_t at=time(0); struct tm tm; strftime(date,sizeof date,"%a, %d %b %Y %H:%M:%S GMT",gmtime_r(&at,&tm));
    n=snprintf(resp,sizeof resp,"HTTP/1.1 %s\r\nServer: AliyunOSS\r\nDate: %s\r\nx-oss-request-id: 5C3D9175B6FC201293AD4888\r\n%s%s%s%sContent-Length: %zu\r\nConnection: keep-alive\r\n\r\n%s",st,date,extra,xml[0]?"Content-Type: ":"",xml[0]?ct:"",xml[0]?"\r\n":"",strncmp(req,"HEAD",4)?strlen(xml)+kept:(size_t)size,xml);
    put(&c,resp,n); put(&c,small,kept);
  }
out: if(c.ssl)SSL_free(c.ssl); close(c.fd); free(c.buf); return 0;}
int main(int ac,char**av){ signal(SIGPIPE,SIG_IGN); int port=atoi(av[1]); lat_ms=atoi(av[2]); cap=atof(av[3]);
  if(ac>5){ ctx=SSL_CTX_new(TLS_server_method()); SSL_CTX_use_certificate_chain_file(ctx,av[4]); SSL_CTX_use_PrivateKey_file(ctx,av[5],SSL_FILETYPE_PEM);} 
  int s=socket(AF_INET,SOCK_STREAM,0),one=1; setsockopt(s,SOL_SOCKET,SO_REUSEADDR,&one,sizeof one);
  if(cap>0){int rb=128*1024; setsockopt(s,SOL_SOCKET,SO_RCVBUF,&rb,sizeof rb);} 
  struct sockaddr_in a={.sin_family=AF_INET,.sin_port=htons(port),.sin_addr.s_addr=htonl(INADDR_LOOPBACK)};
  if(bind(s,(void*)&a,sizeof a)||listen(s,256)){perror("bind");return 1;}
  socklen_t al=sizeof a; getsockname(s,(void*)&a,&al); printf("%d\n",ntohs(a.sin_port)); fflush(stdout);
  for(;;){ int fd=accept(s,0,0); if(fd<0)continue; pthread_t t; pthread_attr_t at; pthread_attr_init(&at); pthread_attr_setdetachstate(&at,PTHREAD_CREATE_DETACHED); pthread_create(&t,&at,conn,(void*)(intptr_t)fd);} }
